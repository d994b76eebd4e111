// The timeline of one conversation in a page: what it shows, and what readers do with it, by mouse, touch and keys.
// All texts reach the page as text nodes or as drawn letters: none is ever read as HTML.
import { duration, instant, itemsByLine, lowerBound, matching, nextLane, offset, overviewCounts, padded, stamp, unpack, visibleLines,
  within, zoomed } from "./time.js";
import { Painter } from "./painter.js";
import { copyText, isDark, make, makeSvg } from "../dom.js";

const ROW = 22;

export class Timeline {
  constructor(root, data, onSelect = () => {}) {
    Object.assign(this, { root, data, onSelect, zone: data.zone, picked: -1, hovered: -1, measured: null, hidden: new Set(), query: "" });
    this.whole = padded([0, Math.max(data.end - data.start, 1000)]);
    this.view = [...this.whole];
    this.count = data.items.line.length;
    this.byLine = itemsByLine(data);
    this.overview = overviewCounts(data, this.whole);
    this.filter();
    this.build();
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.stage);
    this.themed();
    root.dataset.live = "yes";
  }

  leave() { this.observer.disconnect(); }

  filter() {
    this.shown = matching(this.data, this.query, this.hidden);
    this.lines = visibleLines(this.byLine, this.data, this.shown);
  }

  // -- what is on the page

  build() {
    const { data } = this;
    this.canvas = make("canvas", { tabindex: "0", role: "application", "aria-label":
      `Timeline of ${data.id}. Arrow keys: next and previous event, lane up and down. Plus and minus: zoom. ` +
      "Shift and arrow keys: move. F: all. Home, End: first, last. Enter: its details. Slash: search. Escape: leave it. " +
      "The table below has the same." });
    this.painter = new Painter(this.canvas, data, this);
    const spacer = make("div", {}, this.canvas);
    spacer.style.height = `${this.painter.height}px`;
    this.stage = make("div", { class: "ca-scroll" }, spacer);
    this.tip = make("div", { class: "ca-tip", hidden: "" });
    this.announcement = make("p", { class: "ca-voice", "aria-live": "polite" });
    this.pane = make("section", { class: "ca-pane", "aria-label": "Details of the selected event", hidden: "" });
    // JupyterLab's own keys rest while the focus is in here.
    this.box = make("div", { class: "ca-live", "data-lm-suppress-shortcuts": "true" }, this.toolbar(),
      make("div", { class: "ca-drawing" }, this.stage, this.tip), this.announcement, this.pane, this.table());
    this.root.querySelector(".ca-still")?.setAttribute("hidden", "");
    this.root.querySelector(".ca-rows")?.setAttribute("hidden", "");
    this.root.querySelector(".ca-live")?.remove();
    this.root.append(this.box);
    this.listen();
  }

  toolbar() {
    const { data } = this, browser = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const zones = [...new Set([data.zone, "UTC", browser, "Europe/London", "America/New_York", "America/Los_Angeles",
      "Asia/Kolkata", "Asia/Singapore", "Australia/Sydney"])];
    const zone = make("select", { "aria-label": "Time zone", onchange: (event) => this.setZone(event.target.value) },
      ...zones.map((name) => make("option", name === data.zone ? { selected: "" } : {}, name)));
    const button = (text, name, act) => make("button", { type: "button", "aria-label": name, title: name, onclick: act }, text);
    this.search = make("input", { type: "search", placeholder: "search", "aria-label": "Search events",
      oninput: (event) => { this.query = event.target.value; this.refilter(); } });
    const counts = new Map();
    for (const what of data.items.what) counts.set(what, (counts.get(what) ?? 0) + 1);
    const chips = [...counts].map(([what, count]) => {
      const chip = button(`${data.whats[what].replace("_", " ")} ${count}`, `Show or hide ${data.whats[what]}`, () => {
        const name = data.whats[what];
        if (!this.hidden.delete(name)) this.hidden.add(name);
        chip.setAttribute("aria-pressed", String(!this.hidden.has(name)));
        this.refilter();
      });
      chip.setAttribute("aria-pressed", "true");
      if (data.marked[what]) chip.prepend(this.glyph(what), " ");
      chip.className = "ca-chip";
      return chip;
    });
    this.measure = make("span", { class: "ca-quiet", "aria-live": "polite" });
    return make("div", { class: "ca-bar" }, zone, button("fit", "Show all (F)", () => this.show(this.whole)),
      button("+", "Zoom in", () => this.zoom(0.6)), button("\u2212", "Zoom out", () => this.zoom(1 / 0.6)), this.search,
      button("PNG", "Save what is shown as a picture", () => this.save()), this.measure,
      make("div", { class: "ca-chips" }, ...chips));
  }

  glyph(what) {
    const path = makeSvg("path", { d: this.data.shapes[what], class: `ca-${this.data.kinds[what]}` });
    return makeSvg("svg", { viewBox: "-7 -7 14 14", width: "12", height: "12", "aria-hidden": "true" }, path);
  }

  table() {
    const columns = ["#", "time", "since start", "who", "what", "words", "type", "order"];
    this.body = make("tbody");
    const head = make("thead", {}, make("tr", {}, ...columns.map((name) => make("th", { scope: "col" }, name))));
    this.grid = make("table", { role: "grid", "aria-label": `Events of ${this.data.id}` }, head, this.body);
    this.list = make("div", { class: "ca-list", tabindex: "0", role: "group", onscroll: () => this.rows(),
      "aria-label": "Table of events. Arrow keys: next and previous. Enter: its details. Escape: leave it.",
      onkeydown: (event) => this.key(event, { ArrowDown: () => this.step(1), ArrowUp: () => this.step(-1) }) }, this.grid);
    this.shownCount = make("p", { class: "ca-quiet" });
    return make("div", {}, this.shownCount, this.list);
  }

  /** The rows of the table that can be seen; the others are room above and below. */
  rows() {
    const { items, words, whats, lanes, start } = this.data, { list, shown } = this;
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 5);
    const last = Math.min(shown.length, first + Math.ceil((list.clientHeight || 220) / ROW) + 10);
    const gap = (count) => { const tr = make("tr", { "aria-hidden": "true" }); tr.style.height = `${count * ROW}px`; return tr; };
    const made = shown.slice(first, last).map((item, place) => {
      const timed = items.line[item] >= 0;
      const cells = [items.event[item] ?? "", timed ? stamp(start + items.start[item], this.zone) : "no instant",
        timed ? duration(items.start[item]) : "", lanes[items.lane[item]].name, whats[items.what[item]].replace("_", " "),
        words[items.text[item]], words[items.type[item]], this.data.orders[items.order[item]]];
      const tr = make("tr", { "aria-rowindex": String(first + place + 2), "data-item": String(item),
        onclick: () => this.pick(item, true) }, ...cells.map((cell) => make("td", { dir: "auto" }, String(cell))));
      if (item === this.picked) tr.setAttribute("aria-selected", "true");
      return tr;
    });
    this.grid.setAttribute("aria-rowcount", String(shown.length + 1));
    this.body.replaceChildren(gap(first), ...made, gap(shown.length - last));
    this.shownCount.textContent = `${shown.length.toLocaleString("en")} of ${this.count.toLocaleString("en")} bands and events`;
  }

  refilter() {
    this.filter();
    this.list.scrollTop = 0;
    this.rows();
    this.draw();
  }

  setZone(name) {
    try { offset(0, name); } catch { return; }
    this.zone = name;
    this.rows();
    this.draw();
    if (this.picked >= 0) this.fillPane();
  }

  themed() {
    const theme = this.data.themes[isDark(this.root) ? "dark" : "light"];
    for (const [name, colour] of Object.entries({ ...theme, ...theme.kinds })) {
      if (colour[0] === "#") this.root.style.setProperty(`--ca-${name}`, colour);
    }
    this.root.style.colorScheme = theme.name;
    this.painter.setTheme(theme);
    this.rows();
    this.draw();
  }

  draw() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => { this.pending = 0; this.paint(); });
  }

  paint() {
    const { stage, painter } = this, width = stage.clientWidth, height = Math.min(stage.clientHeight, painter.height);
    if (!painter.theme) return;
    if (!width || !height) {
      // Out of the page's layout, as while JupyterLab changes its theme: observed anew, a size is reported once there is one.
      // What has left the page is not: observed anew it would never be forgotten.
      if (this.root.isConnected) { this.observer.unobserve(stage); this.observer.observe(stage); }
      return;
    }
    painter.paint([width, height], stage.scrollTop);
  }

  // -- what people do

  listen() {
    const { canvas, painter } = this;
    this.returnTo = canvas;
    const position = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
    const pointers = new Map();
    canvas.addEventListener("wheel", (event) => {
      // Without Ctrl the wheel scrolls the page, as it does everywhere else.
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      this.zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 200))), painter.at(position(event)[0]));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      const [x, y] = position(event);
      pointers.set(event.pointerId, x);
      try { canvas.setPointerCapture(event.pointerId); } catch { /* a pointer that is gone already */ }
      this.drag = { x, y, view: [...this.view], moved: false, measure: event.shiftKey, overview: painter.inOverview(y) };
      if (pointers.size === 2) this.drag.pinch = [...pointers.values()];
      this.tip.hidden = true;
    });
    canvas.addEventListener("pointermove", (event) => {
      const [x, y] = position(event), { drag } = this;
      if (pointers.has(event.pointerId)) pointers.set(event.pointerId, x);
      if (!drag) { this.hover(x, y); return; }
      drag.moved ||= Math.abs(x - drag.x) > 3;
      if (drag.pinch && pointers.size === 2) this.pinched(drag, [...pointers.values()]);
      else if (drag.moved) this.dragged(drag, x);
    });
    const end = (event) => {
      pointers.delete(event.pointerId);
      const { drag } = this;
      this.drag = null;
      if (!drag) return;
      if (drag.overview && !drag.moved) this.center(painter.overviewAt(drag.x), this.view[1] - this.view[0]);
      else if (!drag.moved) this.pick(painter.hit(drag.x, drag.y)?.item ?? -1);
      else if (drag.measure && this.measured) this.onSelect(this.startingIn(this.measured));
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; if (this.hovered >= 0) { this.hovered = -1; this.draw(); } });
    canvas.addEventListener("dblclick", (event) => {
      const target = painter.hit(...position(event));
      if (!target) { this.show(this.whole); return; }
      const { start, lasts } = this.data.items, from = start[target.item];
      const last = target.band ? from + lasts[target.item] : start[target.last];
      this.show(padded([from, Math.max(last, from + 1000)]).map((at, side) => at + (side ? 1 : -1) * (last - from) * 0.1));
    });
    canvas.addEventListener("keydown", (event) => this.key(event));
    this.stage.addEventListener("scroll", () => this.draw());
    this.pane.addEventListener("keydown", (event) => { if (event.key === "Escape") this.closePane(); });
    this.search.addEventListener("keydown", (event) => { if (event.key === "Escape" && !this.search.value) canvas.focus(); });
  }

  pinched(drag, now) {
    const [a, b] = drag.pinch, size = drag.view[1] - drag.view[0];
    this.center(instant((a + b) / 2, drag.view, this.data.gutter, this.painter.plot), size * Math.abs(a - b) / Math.max(Math.abs(now[0] - now[1]), 10));
  }

  dragged(drag, x) {
    const { painter } = this;
    if (drag.measure) {
      this.measured = [painter.at(drag.x), painter.at(x)].sort((a, b) => a - b);
      this.measure.textContent = `${duration(this.measured[1] - this.measured[0])}, ${this.startingIn(this.measured).length} begin in it`;
      this.draw();
      return;
    }
    const span = drag.overview ? this.whole[0] - this.whole[1] : drag.view[1] - drag.view[0];
    const by = ((drag.x - x) / painter.plot) * span;
    this.show([drag.view[0] + by, drag.view[1] + by]);
  }

  startingIn([from, to]) {
    const { start, line } = this.data.items;
    return this.shown.filter((item) => line[item] >= 0 && start[item] >= from && start[item] <= to);
  }

  show(view) { this.view = within(view, this.whole); this.draw(); }

  center(middle, size) { this.show([middle - size / 2, middle + size / 2]); }

  zoom(factor, around) {
    // Around what is selected, where it can be seen; else around the middle.
    const at = this.picked < 0 ? NaN : this.data.items.start[this.picked];
    around ??= at >= this.view[0] && at <= this.view[1] ? at : (this.view[0] + this.view[1]) / 2;
    this.show(zoomed(this.view, factor, around, this.whole));
  }

  hover(x, y) {
    const target = this.painter.hit(x, y), item = target?.item ?? -1;
    if (item !== this.hovered) { this.hovered = item; this.draw(); }
    this.canvas.style.cursor = item >= 0 ? "pointer" : "default";
    this.tip.hidden = item < 0;
    if (item < 0) return;
    this.tip.textContent = (target.count > 1 ? `${target.count.toLocaleString("en")} events, zoom in\n` : "") + this.describe(item);
    this.tip.style.left = `${Math.min(x + 14, this.stage.clientWidth - 330)}px`;
    this.tip.style.top = `${y + 18}px`;
  }

  /** An item in words: what, who, when, its event, and what is odd about it. */
  describe(item) {
    const { data } = this, { items } = data, kind = data.whats[items.what[item]].replace("_", " ");
    const lasted = items.mark[item] ? "" : `, ${duration(items.lasts[item])}`, order = data.orders[items.order[item]];
    const when = items.line[item] < 0 ? "no instant"
      : `${stamp(data.start + items.start[item], this.zone)}, ${duration(items.start[item])} after the start`;
    return `${kind}: ${data.words[items.text[item]]}${lasted}\n${data.lanes[items.lane[item]].name}\n${when}` +
      (items.event[item] === null ? "" : `\nevent ${items.event[item]}`) + (order ? `\n${order}` : "") +
      (items.flags[item] & 3 ? "\nits other end was not seen" : "");
  }

  pick(item, inPlace = false) {
    this.picked = item;
    this.pane.hidden = item < 0;
    if (item >= 0) {
      this.fillPane();
      this.reveal(item);
      if (!inPlace) this.scrollTable(item);
    } else this.announcement.textContent = "";
    this.rows();
    this.draw();
    this.onSelect(item < 0 ? [] : [item]);
  }

  fillPane() {
    const { data, picked } = this, body = data.details[picked], words = this.describe(picked);
    let text = "";
    try { text = body ? JSON.stringify(JSON.parse(body), null, 2) : ""; } catch { text = body; }
    this.announcement.textContent = words;
    const copy = make("button", { type: "button", onclick: () => copyText(text || words, this.box) }, "copy");
    const close = make("button", { type: "button", "aria-label": "Close the details", onclick: () => this.closePane() }, "\u00d7");
    this.pane.replaceChildren(make("div", { class: "ca-bar" }, copy, close),
      make("pre", { dir: "auto" }, words), ...(text ? [make("pre", { dir: "auto", class: "ca-json" }, text)] : []));
  }

  closePane() { this.pick(-1); this.returnTo.focus(); }

  reveal(item) {
    const { items, lines } = this.data, at = items.start[item], line = lines[items.line[item]];
    if (!line) return;
    if (at < this.view[0] || at > this.view[1]) {
      const half = (this.view[1] - this.view[0]) / 2;
      this.view = within([at - half, at + half], this.whole);
    }
    const { stage, painter } = this, height = stage.clientHeight - painter.top - 30;
    if (line.y < stage.scrollTop) stage.scrollTop = Math.max(0, line.y - 10);
    else if (line.y > stage.scrollTop + height) stage.scrollTop = line.y - height;
  }

  scrollTable(item) {
    const row = lowerBound(this.shown, item);
    if (this.shown[row] === item) this.list.scrollTop = Math.max(0, (row - 3) * ROW);
  }

  save() {
    this.paint();
    this.canvas.toBlob((blob) => {
      const link = make("a", { href: URL.createObjectURL(blob), download: `${this.data.id}.png` });
      link.click();
      URL.revokeObjectURL(link.href);
    });
  }

  /** Pick the item that is some rows further down or up among those shown. */
  step(by) {
    const { shown } = this, row = this.picked < 0 ? (by > 0 ? -1 : shown.length) : lowerBound(shown, this.picked);
    if (shown.length) this.pick(shown[Math.min(Math.max(row + by, 0), shown.length - 1)]);
  }

  /** Pick the item of the next lane that is nearest in time. */
  lane(by) {
    const from = this.picked < 0 ? this.shown[0] : this.picked;
    const item = from === undefined ? -1 : nextLane(this.data, this.shown, from, by);
    if (item >= 0) this.pick(item);
  }

  key(event, own = {}) {
    const width = this.view[1] - this.view[0], { shown } = this;
    const move = (by) => this.show([this.view[0] + width * by, this.view[1] + width * by]);
    const actions = {
      ArrowRight: () => (event.shiftKey ? move(0.2) : this.step(1)), ArrowLeft: () => (event.shiftKey ? move(-0.2) : this.step(-1)),
      ArrowDown: () => this.lane(1), ArrowUp: () => this.lane(-1),
      "+": () => this.zoom(0.6), "=": () => this.zoom(0.6), "-": () => this.zoom(1 / 0.6),
      Home: () => shown.length && this.pick(shown[0]), End: () => shown.length && this.pick(shown.at(-1)),
      Enter: () => { this.returnTo = event.currentTarget; this.pane.querySelector("button")?.focus(); },
      f: () => this.show(this.whole), F: () => this.show(this.whole), "/": () => this.search.focus(),
      Escape: () => { this.measured = null; this.measure.textContent = ""; this.pick(-1); },
      ...own,
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !actions[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    actions[event.key]();
  }
}

// -- how it gets onto a page

/** Make the picture in an element live; gives the timeline, or null where that failed. */
export async function upgrade(root, text, onSelect) {
  try {
    return (root.timeline = new Timeline(root, await unpack(text), onSelect));
  } catch (error) {
    // The picture stays, which is all that is lost.
    root.dataset.live = "no";
    root.dataset.error = String(error);
    return null;
  }
}
