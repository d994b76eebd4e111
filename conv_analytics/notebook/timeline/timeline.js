// The timeline of one conversation on a canvas. One module without dependencies; it asks nobody for anything.
// Everything that stands from top to bottom was laid out in Python; here is what depends on the part of time shown.
// All texts reach the page as text nodes or as drawn letters: none is ever read as HTML.

const AXIS = 30, STRIP = 22, GUTTER = 232, TOP = STRIP + AXIS;
const SECOND = 1e6, MINUTE = 60 * SECOND, HOUR = 3600 * SECOND, DAY = 24 * HOUR;
const STEPS = [
  ...[1e3, 1e4, 1e5].flatMap((power) => [power, 2 * power, 5 * power]),
  ...[1, 2, 5, 10, 15, 30].map((size) => size * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((size) => size * MINUTE),
  ...[1, 2, 3, 6, 12].map((size) => size * HOUR),
  ...[1, 2, 7, 14, 28, 91, 364].map((size) => size * DAY),
];
const STATE = { unknown: "invited", left: "invited", earmuffed: "muted" };
const PATTERN = { invited: "hatch", ringing: "dots", muted: "cross", earmuffed: "hatch" };
const FONT = "system-ui, sans-serif";
const ROW = 22, ORDER = ["", "late", "duplicate"];

// ---- pure functions, tested without a browser

const formats = new Map();
function parts(at, zone) {
  if (!formats.has(zone)) {
    formats.set(zone, new Intl.DateTimeFormat("en-GB", {
      timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit",
      hour: "2-digit", minute: "2-digit", second: "2-digit",
    }));
  }
  const found = {};
  for (const { type, value } of formats.get(zone).formatToParts(Math.floor(at / 1000))) found[type] = value;
  return found;
}

/** Offset of a zone's clock from UTC at an instant; both in microseconds. */
export function offset(at, zone) {
  if (zone === "UTC") return 0;
  const p = parts(at, zone);
  const there = Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute, p.second);
  return (there - Math.floor(at / SECOND) * 1000) * 1000;
}

/** Ticks from start to end: even times of the zone's clock, each with its label. */
export function ticks(start, end, width, zone, room = 84) {
  const step = STEPS.find((each) => each * width >= room * (end - start)) ?? STEPS.at(-1);
  const found = [];
  let at = start;
  while (at <= end && found.length < 500) {
    const ahead = offset(at, zone);
    let tick = Math.ceil((at + ahead) / step) * step - ahead;
    if (step >= DAY) tick += ahead - offset(tick, zone);
    if (tick >= at && tick <= end) found.push([tick, label(tick, step, zone)]);
    at = Math.max(tick, at) + (step >= DAY ? step / 2 : 1);
  }
  return found;
}

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const two = (value) => String(value).padStart(2, "0");

function label(at, step, zone) {
  const p = parts(at, zone), rest = ((at % SECOND) + SECOND) % SECOND;
  if (step >= DAY || (at && p.hour + p.minute + p.second === "000000" && rest === 0)) {
    return `${Number(p.day)} ${MONTHS[p.month - 1]}`;
  }
  const time = `${p.hour}:${p.minute}`;
  if (step < SECOND) return `${time}:${p.second}.${String(Math.floor(rest / 1000)).padStart(3, "0")}`;
  return step < MINUTE ? `${time}:${p.second}` : time;
}

/** An instant in full, with the offset from UTC. */
export function stamp(at, zone) {
  const p = parts(at, zone), minutes = Math.round(offset(at, zone) / MINUTE), size = Math.abs(minutes);
  const rest = String(Math.floor((((at % SECOND) + SECOND) % SECOND) / 1000)).padStart(3, "0");
  const shift = `${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
  return `${p.year}-${p.month}-${p.day} ${p.hour}:${p.minute}:${p.second}.${rest} ${shift}`;
}

/** A length of time for people. */
export function length(us) {
  if (us < SECOND) return `${Math.round(us / 1000)} ms`;
  if (us < MINUTE) return `${(us / SECOND).toFixed(2)} s`;
  const seconds = Math.round(us / SECOND);
  const s = two(seconds % 60), m = Math.floor(seconds / 60);
  if (us < HOUR) return `${m}:${s} min`;
  if (us < DAY) return `${Math.floor(m / 60)}:${two(m % 60)}:${s} h`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor(seconds / 3600) % 24} h`;
}

/** Neighbours that would overlap: calls found(first, one past last) for each group. */
export function clusters(count, placeOf, found, near = 10, widest = 45) {
  let first = 0, many = 0, begin = 0, last = 0;
  for (let each = 0; each < count; each++) {
    const place = placeOf(each);
    const half = many === 1 ? near / 2 : 1.5 * near;
    const apart = place - last >= near && place - (begin + last) / 2 >= half + near / 2;
    if (many === 0 || apart || place - begin > widest) {
      if (many) found(first, each);
      first = each; begin = place; many = 0;
    }
    last = place; many++;
  }
  if (many) found(first, count);
}

/** First place in an ordered list whose value is not smaller. */
export function lower(values, value, low = 0, high = values.length) {
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < value) low = middle + 1; else high = middle;
  }
  return low;
}

/** A part of time after zooming around a point; it stays within the whole, and is never shorter than a millisecond. */
export function zoomed([from, to], factor, around, whole) {
  const size = Math.min(Math.max((to - from) * factor, 1000), whole[1] - whole[0]);
  const start = around - ((around - from) / (to - from)) * size;
  return within([start, start + size], whole);
}

export function within([from, to], [first, last]) {
  const size = Math.min(to - from, last - first);
  const start = Math.min(Math.max(from, first), last - size);
  return [start, start + size];
}

/** The payload: JSON, compressed, as base64. */
export async function unpack(text) {
  const raw = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

// ---- the page

function make(name, attributes = {}, ...inner) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...inner);
  return node;
}

function isDark(root) {
  const html = document.documentElement, body = document.body;
  const forced = root.dataset.theme || html.dataset.theme;
  if (forced) return forced === "dark";
  if (body.dataset.jpThemeLight) return body.dataset.jpThemeLight === "false";
  if (body.dataset.vscodeThemeKind) return /dark|high-contrast$/.test(body.dataset.vscodeThemeKind);
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

// One watcher per page, however many timelines come and go: those that left the page are forgotten.
function watch(timeline) {
  const shared = (globalThis.convAnalyticsTimelines ??= { live: new Set(), watched: false });
  for (const each of shared.live) if (!each.root.isConnected) each.leave(shared);
  shared.live.add(timeline);
  if (shared.watched) return;
  shared.watched = true;
  const redraw = () => {
    for (const each of shared.live) if (each.root.isConnected) each.themed(); else each.leave(shared);
  };
  const seen = { attributes: true, attributeFilter: ["data-jp-theme-light", "data-vscode-theme-kind", "data-theme"] };
  const observer = new MutationObserver(redraw);
  observer.observe(document.body, seen);
  observer.observe(document.documentElement, seen);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  // On paper the table is open.
  const opened = (yes) => () => { for (const { root } of shared.live) root.querySelector(".ca-rows")?.toggleAttribute("open", yes); };
  addEventListener("beforeprint", opened(true));
  addEventListener("afterprint", opened(false));
}

export class Timeline {
  constructor(root, data, chosen = () => {}) {
    Object.assign(this, { root, data, chosen });
    this.whole = this.room([0, Math.max(data.end - data.start, 1000)]);
    this.view = [...this.whole];
    this.zone = data.zone;
    this.picked = -1;
    this.hovered = -1;
    this.measured = null;
    this.off = new Set();
    this.query = "";
    this.index();
    this.build();
    watch(this);
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.stage);
    this.themed();
    root.dataset.live = "yes";
  }

  room([from, to]) { const more = (to - from) * 0.015; return [from - more, to + more]; }

  leave(shared) { this.observer.disconnect(); shared.live.delete(this); }

  /** Per line, its bands and its marks in the order of time. */
  index() {
    const { items, lines } = this.data, { line, start, mark } = items;
    this.count = line.length;
    this.lines = lines.map(() => ({ bands: [], marks: [] }));
    for (let each = 0; each < this.count; each++) {
      if (line[each] >= 0) this.lines[line[each]][mark[each] ? "marks" : "bands"].push(each);
    }
    this.shown = Array.from({ length: this.count }, (_, each) => each);
    this.filter();
    this.strip = new Uint32Array(240);
    const size = this.whole[1] - this.whole[0];
    for (let each = 0; each < this.count; each++) {
      if (mark[each] && line[each] >= 0) this.strip[Math.min(239, Math.floor((start[each] - this.whole[0]) / size * 240))]++;
    }
  }

  filter() {
    const { items, words, whats, lanes } = this.data, query = this.query.toLowerCase();
    const hits = query && words.map((word) => word.toLowerCase().includes(query));
    const named = query && lanes.map((lane) => lane.name.toLowerCase().includes(query));
    this.visible = new Uint8Array(this.count);
    this.shown = [];
    for (let each = 0; each < this.count; each++) {
      if (this.off.has(whats[items.what[each]])) continue;
      if (query && !hits[items.text[each]] && !hits[items.type[each]] && !named[items.lane[each]]) continue;
      this.visible[each] = 1;
      this.shown.push(each);
    }
    for (const line of this.lines) {
      line.kept = line.marks.filter((each) => this.visible[each]);
      line.at = Float64Array.from(line.kept, (each) => items.start[each]);
      line.drawn = line.bands.filter((each) => this.visible[each]);
      line.begins = Float64Array.from(line.drawn, (each) => items.start[each]);
      let last = -Infinity;
      line.ends = Float64Array.from(line.drawn, (each) => (last = Math.max(last, items.start[each] + items.lasts[each])));
    }
  }

  // -- what is on the page

  build() {
    const { data } = this;
    this.canvas = make("canvas", { tabindex: "0", role: "application", "aria-label":
      `Timeline of ${data.id}. Arrow keys: next and previous event, lane up and down. Plus and minus: zoom. ` +
      "Shift and arrow keys: move. F: all. Home, End: first, last. Enter: its details. Slash: search. Escape: leave it. " +
      "The table below has the same." });
    this.spacer = make("div", { class: "ca-spacer" });
    this.spacer.style.height = `${data.height + TOP + 12}px`;
    this.spacer.append(this.canvas);
    this.stage = make("div", { class: "ca-scroll" }, this.spacer);
    this.tip = make("div", { class: "ca-tip", hidden: "" });
    this.voice = make("p", { class: "ca-voice", "aria-live": "polite" });
    this.pane = make("section", { class: "ca-pane", "aria-label": "Details of the selected event", hidden: "" });
    // JupyterLab's own keys rest while the focus is in here.
    this.box = make("div", { class: "ca-live", "data-lm-suppress-shortcuts": "true" }, this.toolbar(), make("div", { class: "ca-hold" }, this.stage, this.tip),
      this.voice, this.pane, this.table());
    this.root.querySelector(".ca-still").hidden = true;
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
        this.off.has(name) ? this.off.delete(name) : this.off.add(name);
        chip.setAttribute("aria-pressed", String(!this.off.has(name)));
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
    const space = "http://www.w3.org/2000/svg", svg = document.createElementNS(space, "svg");
    const path = document.createElementNS(space, "path");
    for (const [key, value] of [["viewBox", "-7 -7 14 14"], ["width", "12"], ["height", "12"], ["aria-hidden", "true"]]) svg.setAttribute(key, value);
    path.setAttribute("d", this.data.shapes[what]);
    path.setAttribute("class", `ca-${this.data.kinds[what]}`);
    svg.append(path);
    return svg;
  }

  table() {
    const heads = ["#", "time", "since start", "who", "what", "words", "type", "order"];
    this.body = make("tbody");
    const head = make("thead", {}, make("tr", {}, ...heads.map((name) => make("th", { scope: "col" }, name))));
    this.grid = make("table", { role: "grid", "aria-label": `Events of ${this.data.id}` }, head, this.body);
    this.list = make("div", { class: "ca-list", tabindex: "0", role: "group", onscroll: () => this.rows(),
      "aria-label": "Table of events. Arrow keys: next and previous. Enter: its details. Escape: leave it.",
      onkeydown: (event) => this.key(event, { ArrowDown: () => this.step(1), ArrowUp: () => this.step(-1) }) }, this.grid);
    this.tally = make("p", { class: "ca-quiet" });
    return make("div", {}, this.tally, this.list);
  }

  /** The rows of the table that can be seen; the others are room above and below. */
  rows() {
    const { items, words, whats, lanes, start } = this.data, { list, shown } = this;
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 5);
    const last = Math.min(shown.length, first + Math.ceil((list.clientHeight || 220) / ROW) + 10);
    const gap = (count) => { const tr = make("tr", { "aria-hidden": "true" }); tr.style.height = `${count * ROW}px`; return tr; };
    const made = shown.slice(first, last).map((each, place) => {
      const timed = items.line[each] >= 0;
      const cells = [items.event[each] ?? "", timed ? stamp(start + items.start[each], this.zone) : "no instant",
        timed ? length(items.start[each]) : "", lanes[items.lane[each]].name, whats[items.what[each]].replace("_", " "),
        words[items.text[each]], words[items.type[each]], ORDER[items.order[each]]];
      const tr = make("tr", { "aria-rowindex": String(first + place + 2), "data-item": String(each),
        onclick: () => this.pick(each, true) }, ...cells.map((cell) => make("td", { dir: "auto" }, String(cell))));
      if (each === this.picked) tr.setAttribute("aria-selected", "true");
      return tr;
    });
    this.grid.setAttribute("aria-rowcount", String(shown.length + 1));
    this.body.replaceChildren(gap(first), ...made, gap(shown.length - last));
    this.tally.textContent = `${shown.length.toLocaleString("en")} of ${this.count.toLocaleString("en")} bands and events`;
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
    if (this.picked >= 0) this.describe();
  }

  themed() {
    const dark = isDark(this.root);
    this.theme = this.data.themes[dark ? "dark" : "light"];
    for (const name of ["ground", "raised", "line", "text", "quiet", "accent"]) {
      this.root.style.setProperty(`--ca-${name}`, this.theme[name]);
    }
    for (const [name, colour] of Object.entries(this.theme.kinds)) this.root.style.setProperty(`--ca-${name}`, colour);
    this.root.style.colorScheme = dark ? "dark" : "light";
    this.patterns = null;
    this.rows();
    this.draw();
  }

  // -- drawing

  x(at) { return GUTTER + ((at - this.view[0]) / (this.view[1] - this.view[0])) * this.plot; }

  at(x) { return this.view[0] + ((x - GUTTER) / this.plot) * (this.view[1] - this.view[0]); }

  draw() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => { this.pending = 0; this.paint(); });
  }

  paint() {
    const { canvas, stage, theme } = this, ratio = globalThis.devicePixelRatio || 1;
    const width = stage.clientWidth, height = Math.min(stage.clientHeight, this.data.height + TOP + 12);
    if (!theme) return;
    if (!width || !height) {
      // Out of the page's layout, as while JupyterLab changes its theme: watched anew, a size is told when there is one.
      // What has left the page is not: watched anew it would never be forgotten.
      if (this.root.isConnected) { this.observer.unobserve(stage); this.observer.observe(stage); }
      return;
    }
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const g = (this.g = canvas.getContext("2d"));
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.plot = Math.max(width - GUTTER - 12, 50);
    this.size = [width, height];
    this.targets = [];
    this.patterns ??= this.fillings();
    g.fillStyle = theme.ground;
    g.fillRect(0, 0, width, height);
    const ticked = ticks(this.data.start + this.view[0], this.data.start + this.view[1], this.plot, this.zone);
    g.strokeStyle = theme.line;
    g.lineWidth = 1;
    g.beginPath();
    for (const [at] of ticked) {
      const x = Math.round(this.x(at - this.data.start)) + 0.5;
      g.moveTo(x, TOP - 6); g.lineTo(x, height);
    }
    g.stroke();
    g.save();
    g.translate(0, TOP - stage.scrollTop);
    this.paintLanes(stage.scrollTop, height - TOP);
    g.restore();
    this.paintTop(ticked);
  }

  paintLanes(top, height) {
    const { g, theme, data } = this, [width] = this.size;
    const seen = (y, tall) => y + tall >= top - 10 && y <= top + height + 10;
    g.save();
    g.beginPath(); g.rect(GUTTER, top, width - GUTTER, height + 20); g.clip();
    data.lines.forEach((line, number) => {
      if (!seen(line.y, line.h)) return;
      if (line.role === "quality") this.paintQuality(line, this.lines[number - 1].drawn);
      this.paintBands(line, this.lines[number]);
      if (line.role === "marks") this.paintMarks(line, this.lines[number]);
    });
    this.paintArrow();
    g.restore();
    data.lanes.forEach((lane) => {
      if (!seen(lane.y, lane.h)) return;
      if (lane.kind !== "leg") { g.fillStyle = theme.line; g.fillRect(0, lane.y - 5, width, 1); }
      const bold = lane.kind === "member";
      g.fillStyle = bold ? theme.text : theme.quiet;
      const x = lane.kind === "leg" ? 22 : 12;
      this.write(lane.shown, x, lane.y + 14, GUTTER - x - 6, 12, bold ? "600 " : "");
    });
  }

  write(text, x, y, room, size, weight = "") {
    const { g } = this;
    g.font = `${weight}${size}px ${FONT}`;
    if (room < 14) return;
    if (g.measureText(text).width > room) {
      let fits = Math.floor(text.length * room / g.measureText(text).width);
      while (fits > 2 && g.measureText(`${text.slice(0, fits)}\u2026`).width > room) fits--;
      if (fits < 3) return;
      text = `${text.slice(0, fits)}\u2026`;
    }
    g.fillText(text, x, y);
  }

  paintBands(line, { drawn, begins, ends }) {
    const { g, theme } = this, { start, lasts } = this.data.items, [from, to] = this.view;
    const scale = this.plot / (to - from), last = lower(begins, to);
    let painted = -Infinity;
    for (let each = lower(ends, from); each < last; each++) {
      const item = drawn[each], x = GUTTER + (start[item] - from) * scale, wide = lasts[item] * scale;
      if (wide >= 2 || line.role === "main" || last - each < 50) { this.paintBand(line, item); painted = x + wide; continue; }
      // Too narrow for more than a stroke; where strokes would cover each other, one is enough.
      if (x < painted + 0.5) continue;
      g.fillStyle = theme.kinds.media;
      g.fillRect(x, line.y, 1.2, line.h);
      this.targets.push([item, x, line.y, x + 1.5, line.y + line.h, 1]);
      painted = x + 1;
    }
  }

  paintBand(line, each) {
    const { g, theme, data } = this, { items } = data, what = data.whats[items.what[each]];
    let x = this.x(items.start[each]), end = this.x(items.start[each] + items.lasts[each]);
    if (end < GUTTER - 2 || x > this.size[0]) return;
    x = Math.max(x, GUTTER - 4); end = Math.min(Math.max(end, x + 1.5), this.size[0] + 4);
    const { y, h } = line, text = data.words[items.text[each]], open = items.flags[each] & 3;
    this.targets.push([each, x, y, end, y + h, 1]);
    if (what === "left") {
      const why = text.split(": ")[1] ?? "left";
      g.fillStyle = theme.quiet;
      this.write(why, x + 5, y + 14, this.size[0] - x - 10, 11);
      // The line goes on behind the words.
      const after = x + 9 + g.measureText(why).width;
      g.strokeStyle = theme.quiet; g.setLineDash([1, 3]); g.lineWidth = 1;
      g.beginPath(); g.moveTo(x, y); g.lineTo(x, y + h);
      if (after < end) { g.moveTo(after, y + h / 2); g.lineTo(end, y + h / 2); }
      g.stroke();
      g.setLineDash([]);
      return;
    }
    const state = STATE[what] ?? what;
    g.fillStyle = theme.states[state] ?? theme.kinds.media;
    g.strokeStyle = theme.edges[state] ?? theme.kinds.media;
    g.lineWidth = 1.2;
    g.beginPath(); g.roundRect(x, y, end - x, h, 3);
    if (what !== "unknown") { g.globalAlpha = line.role === "main" ? 0.26 : 0.45; g.fill(); g.globalAlpha = 1; } else g.strokeStyle = theme.quiet;
    if (PATTERN[what]) { g.fillStyle = this.patterns[PATTERN[what]]; g.fill(); }
    if (open || what === "unknown") g.setLineDash([6, 3]);
    g.stroke();
    g.setLineDash([]);
    if (each === this.picked || each === this.hovered) { g.strokeStyle = theme.accent; g.lineWidth = 2.5; g.stroke(); }
    if (what === "muted" || what === "earmuffed") return;
    const level = items.level[each] ? ` \u00b7 ${data.words[items.level[each]]}` : "", size = line.role === "main" ? 11 : 9.5;
    g.fillStyle = theme.text;
    this.write(text + level + (items.flags[each] & 2 ? " \u2026" : ""), x + 5, y + h / 2 + size * 0.36, end - x - 8, size);
  }

  paintQuality(line, bands) {
    const { g, theme, data } = this, { items } = data;
    for (const each of bands) {
      if (data.whats[items.what[each]] !== "answered") continue;
      const x = this.x(items.start[each]), width = Math.max(this.x(items.start[each] + items.lasts[each]) - x, 2);
      const level = data.words[items.level[each]];
      if (level === "good" || level === "fair" || level === "poor") {
        g.fillStyle = theme.quality[level]; g.fillRect(x, line.y, width, 5);
        g.strokeStyle = theme.edges[level]; g.lineWidth = 1; g.strokeRect(x + 0.5, line.y + 0.5, width - 1, 5);
      } else {
        g.strokeStyle = theme.quality.unmeasured; g.setLineDash([1.5, 4]); g.lineWidth = 2;
        g.beginPath(); g.moveTo(x, line.y + 2.5); g.lineTo(x + width, line.y + 2.5); g.stroke(); g.setLineDash([]);
      }
    }
  }

  paintMarks(line, { kept, at }) {
    const { data } = this, { items } = data, y = line.y + line.h / 2;
    const margin = (this.view[1] - this.view[0]) / this.plot * 20;
    const first = lower(at, this.view[0] - margin), last = lower(at, this.view[1] + margin);
    if (last - first > this.plot / 8) { this.paintDensity(line, kept, at, first, last); return; }
    clusters(last - first, (each) => this.x(at[first + each]), (from, to) => {
      const group = kept.slice(first + from, first + to);
      let top = group[0];
      for (const each of group) if (data.weights[items.what[each]] > data.weights[items.what[top]]) top = each;
      const x = (this.x(at[first + from]) + this.x(at[first + to - 1])) / 2;
      this.paintMark(top, x, y, group);
    });
  }

  paintMark(each, x, y, group) {
    const { g, theme, data } = this, { items } = data, what = items.what[each], many = group.length > 1;
    this.shapes ??= data.shapes.map((shape) => shape && new Path2D(shape));
    const chosen = group.includes(this.picked) || group.includes(this.hovered);
    g.save();
    let half = 7;
    if (many) {
      g.font = `10px ${FONT}`;
      half = 8 + g.measureText(String(group.length)).width / 2;
      g.beginPath(); g.roundRect(x - half, y - 8, half * 2 + 2, 16, 8);
      g.fillStyle = theme.ground; g.fill();
      g.strokeStyle = chosen ? theme.accent : theme.quiet; g.lineWidth = chosen ? 2.5 : 1; g.stroke();
      g.fillStyle = theme.text; g.fillText(String(group.length), x - half + 16, y + 3.6);
      g.translate(x - half + 9, y); g.scale(0.8, 0.8);
    } else g.translate(x, y);
    g.fillStyle = theme.kinds[data.kinds[what]];
    g.strokeStyle = chosen && !many ? theme.accent : theme.ground;
    g.lineWidth = chosen && !many ? 3 : 0.8;
    if (!many) g.stroke(this.shapes[what]);
    g.fill(this.shapes[what]);
    g.restore();
    if (group.some((one) => items.order[one])) {
      g.fillStyle = theme.kinds.end;
      g.beginPath(); g.moveTo(x + 4, y - 8); g.lineTo(x + 9, y - 8); g.lineTo(x + 6.5, y - 4); g.fill();
    }
    this.targets.push([each, x - half, y - 9, x + half, y + 9, 0, group]);
  }

  /** Too many for marks: a bar every three pixels, as dark and as tall as there are events. */
  paintDensity(line, kept, at, first, last) {
    const { g, theme } = this, bins = new Uint32Array(Math.ceil(this.plot / 3) + 2), starts = new Int32Array(bins.length).fill(-1);
    const scale = this.plot / (this.view[1] - this.view[0]) / 3;
    let most = 1;
    for (let each = first; each < last; each++) {
      const bin = Math.floor((at[each] - this.view[0]) * scale);
      if (bin < 0 || bin >= bins.length) continue;
      if (starts[bin] < 0) starts[bin] = each;
      if (++bins[bin] > most) most = bins[bin];
    }
    g.fillStyle = theme.kinds.message;
    for (let bin = 0; bin < bins.length; bin++) {
      if (!bins[bin]) continue;
      const part = Math.log1p(bins[bin]) / Math.log1p(most), tall = 4 + part * (line.h - 4), x = GUTTER + bin * 3;
      g.globalAlpha = 0.45 + 0.55 * part;
      g.fillRect(x, line.y + line.h - tall, 2.4, tall);
      this.targets.push([kept[starts[bin]], x - 1, line.y, x + 3, line.y + line.h, 0,
        { length: bins[bin], from: starts[bin], kept, includes: () => false }]);
    }
    g.globalAlpha = 1;
  }

  /** Where the selected event leads to: a transfer, an invitation. */
  paintArrow() {
    const { g, theme, data, picked } = this;
    const to = picked >= 0 ? data.items.to[picked] : null, line = data.lines[data.items.line[picked]];
    if (to === null || to === undefined || !line) return;
    const x = this.x(data.items.start[picked]), y = line.y + line.h / 2, end = data.lanes[to].y + 10;
    g.strokeStyle = g.fillStyle = theme.kinds.control; g.lineWidth = 1.6; g.setLineDash([5, 3]);
    g.beginPath(); g.moveTo(x, y); g.bezierCurveTo(x + 20, y, x + 20, end, x + 4, end); g.stroke(); g.setLineDash([]);
    g.beginPath(); g.moveTo(x + 2, end); g.lineTo(x + 10, end - 4); g.lineTo(x + 10, end + 4); g.fill();
  }

  paintTop(ticked) {
    const { g, theme } = this, [width, height] = this.size;
    g.fillStyle = theme.ground; g.fillRect(0, 0, width, TOP - 5);
    g.fillStyle = theme.raised; g.fillRect(GUTTER, 2, this.plot, STRIP - 4);
    const most = Math.max(1, ...this.strip), step = this.plot / 240;
    g.fillStyle = theme.quiet;
    this.strip.forEach((count, bin) => {
      const tall = count ? 2 + (Math.log1p(count) / Math.log1p(most)) * (STRIP - 8) : 0;
      g.fillRect(GUTTER + bin * step, STRIP - 2 - tall, Math.max(step - 0.5, 1), tall);
    });
    const part = (at) => GUTTER + ((at - this.whole[0]) / (this.whole[1] - this.whole[0])) * this.plot;
    g.strokeStyle = theme.accent; g.lineWidth = 1.5;
    g.strokeRect(part(this.view[0]), 2, Math.max(part(this.view[1]) - part(this.view[0]), 3), STRIP - 4);
    g.fillStyle = theme.quiet; g.font = `11px ${FONT}`;
    g.fillText(this.zone, 12, STRIP + 16);
    g.textAlign = "center";
    for (const [at, text] of ticked) g.fillText(text, this.x(at - this.data.start), STRIP + 16);
    g.textAlign = "left";
    if (this.measured) {
      const [from, to] = this.measured.map((at) => this.x(at)).sort((a, b) => a - b);
      g.globalAlpha = 0.14; g.fillStyle = theme.accent; g.fillRect(from, TOP - 5, to - from, height); g.globalAlpha = 1;
    }
  }

  fillings() {
    const made = {};
    for (const [name, size, path] of this.data.patterns) {
      const tile = make("canvas", { width: String(size), height: String(size) }), g = tile.getContext("2d");
      g.strokeStyle = this.theme.text; g.globalAlpha = 0.5;
      g.stroke(new Path2D(path));
      made[name] = this.canvas.getContext("2d").createPattern(tile, "repeat");
    }
    return made;
  }

  // -- what people do

  listen() {
    const { canvas } = this;
    this.from = canvas;
    const place = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
    const points = new Map();
    canvas.addEventListener("wheel", (event) => {
      // Without Ctrl the wheel scrolls the page, as it does everywhere else.
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      this.zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 200))), this.at(place(event)[0]));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      const [x, y] = place(event);
      points.set(event.pointerId, x);
      try { canvas.setPointerCapture(event.pointerId); } catch { /* a pointer that is gone already */ }
      this.drag = { x, y, view: [...this.view], moved: false, measure: event.shiftKey, strip: y < STRIP };
      if (points.size === 2) this.drag.pinch = [...points.values()];
      this.tip.hidden = true;
    });
    canvas.addEventListener("pointermove", (event) => {
      const [x, y] = place(event), { drag } = this;
      if (points.has(event.pointerId)) points.set(event.pointerId, x);
      if (!drag) { this.hover(x, y); return; }
      drag.moved ||= Math.abs(x - drag.x) > 3;
      if (drag.pinch && points.size === 2) this.pinch(drag, [...points.values()]);
      else if (drag.moved) this.dragged(drag, x);
    });
    const end = (event) => {
      points.delete(event.pointerId);
      const { drag } = this;
      this.drag = null;
      if (!drag) return;
      if (drag.strip && !drag.moved) {
        const middle = this.whole[0] + ((drag.x - GUTTER) / this.plot) * (this.whole[1] - this.whole[0]), half = (this.view[1] - this.view[0]) / 2;
        this.show([middle - half, middle + half]);
      } else if (!drag.moved) this.pick(this.hit(drag.x, drag.y)?.[0] ?? -1);
      else if (drag.measure && this.measured) this.chosen(this.inside(this.measured));
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; if (this.hovered >= 0) { this.hovered = -1; this.draw(); } });
    canvas.addEventListener("dblclick", (event) => {
      const found = this.hit(...place(event));
      if (!found) { this.show(this.whole); return; }
      const { start, lasts } = this.data.items, group = found[6], each = found[0];
      const from = start[each];
      const last = group ? start[group.kept ? group.kept[group.from + group.length - 1] : group.at(-1)] : from + lasts[each];
      this.show(this.room([from, Math.max(last, from + 1000)]).map((at, side) => at + (side ? 1 : -1) * (last - from) * 0.1));
    });
    canvas.addEventListener("keydown", (event) => this.key(event));
    this.stage.addEventListener("scroll", () => this.draw());
    this.pane.addEventListener("keydown", (event) => { if (event.key === "Escape") { this.pick(-1); this.from.focus(); } });
    this.search.addEventListener("keydown", (event) => { if (event.key === "Escape" && !this.search.value) canvas.focus(); });
  }

  pinch(drag, now) {
    const [a, b] = drag.pinch, size = (drag.view[1] - drag.view[0]) * Math.abs(a - b) / Math.max(Math.abs(now[0] - now[1]), 10);
    const middle = drag.view[0] + (((a + b) / 2 - GUTTER) / this.plot) * (drag.view[1] - drag.view[0]);
    this.show([middle - size / 2, middle + size / 2]);
  }

  dragged(drag, x) {
    if (drag.measure) {
      this.measured = [this.at(drag.x), this.at(x)].sort((a, b) => a - b);
      const inside = this.inside(this.measured);
      this.measure.textContent = `${length(this.measured[1] - this.measured[0])}, ${inside.length} begin in it`;
      this.draw();
      return;
    }
    const whole = drag.strip ? this.whole[0] - this.whole[1] : drag.view[1] - drag.view[0];
    const by = ((drag.x - x) / this.plot) * whole;
    this.show([drag.view[0] + by, drag.view[1] + by]);
  }

  inside([from, to]) {
    const { start } = this.data.items;
    return this.shown.filter((each) => this.data.items.line[each] >= 0 && start[each] >= from && start[each] <= to);
  }

  show(view) { this.view = within(view, this.whole); this.draw(); }

  zoom(factor, around) {
    // Around what is selected, where it can be seen; else around the middle.
    const at = this.picked < 0 ? NaN : this.data.items.start[this.picked];
    around ??= at >= this.view[0] && at <= this.view[1] ? at : (this.view[0] + this.view[1]) / 2;
    this.show(zoomed(this.view, factor, around, this.whole)); }

  hit(x, y) {
    if (y < TOP || x < GUTTER) return null;
    const down = y - TOP + this.stage.scrollTop;
    let best = null;
    for (const target of this.targets) {
      const [, left, top, right, bottom, band] = target;
      const near = band ? 1 : 3;
      if (x >= left - near && x <= right + near && down >= top && down <= bottom && (!best || band <= best[5])) best = target;
    }
    return best;
  }

  hover(x, y) {
    const found = this.hit(x, y), each = found?.[0] ?? -1;
    if (each !== this.hovered) { this.hovered = each; this.draw(); }
    this.canvas.style.cursor = each >= 0 ? "pointer" : "default";
    this.tip.hidden = each < 0;
    if (each < 0) return;
    const group = found[6], many = group && group.length > 1 ? `${group.length.toLocaleString("en")} events, zoom in\n` : "";
    this.tip.textContent = many + this.words(each);
    this.tip.style.left = `${Math.min(x + 14, this.size[0] - 330)}px`;
    this.tip.style.top = `${y + 18}px`;
  }

  words(each) {
    const { data } = this, { items } = data, kind = data.whats[items.what[each]].replace("_", " ");
    const lasted = items.mark[each] ? "" : `, ${length(items.lasts[each])}`, order = ORDER[items.order[each]];
    const when = items.line[each] < 0 ? "no instant" : `${stamp(data.start + items.start[each], this.zone)}, ${length(items.start[each])} after the start`;
    return `${kind}: ${data.words[items.text[each]]}${lasted}\n${data.lanes[items.lane[each]].name}\n${when}` +
      (items.event[each] === null ? "" : `\nevent ${items.event[each]}`) + (order ? `\n${order}` : "") +
      (items.flags[each] & 3 ? "\nits other end was not seen" : "");
  }

  pick(each, quiet = false) {
    this.picked = each;
    this.pane.hidden = each < 0;
    if (each >= 0) {
      this.describe();
      this.reveal(each);
      if (!quiet) this.follow(each);
    } else this.voice.textContent = "";
    this.rows();
    this.draw();
    this.chosen(each < 0 ? [] : [each]);
  }

  describe() {
    const { data, picked } = this, body = data.details[picked];
    let text = "";
    try { text = body ? JSON.stringify(JSON.parse(body), null, 2) : ""; } catch { text = body; }
    this.voice.textContent = this.words(picked);
    const copy = make("button", { type: "button", onclick: () => this.copy(text || this.words(picked)) }, "copy");
    const close = make("button", { type: "button", "aria-label": "Close the details", onclick: () => { this.pick(-1); this.from.focus(); } }, "\u00d7");
    this.pane.replaceChildren(make("div", { class: "ca-bar" }, copy, close),
      make("pre", { dir: "auto" }, this.words(picked)), ...(text ? [make("pre", { dir: "auto", class: "ca-json" }, text)] : []));
  }

  reveal(each) {
    const { items, lines } = this.data, at = items.start[each], line = lines[items.line[each]];
    if (!line) return;
    if (at < this.view[0] || at > this.view[1]) {
      const half = (this.view[1] - this.view[0]) / 2;
      this.view = within([at - half, at + half], this.whole);
    }
    const { stage } = this, seen = stage.clientHeight - TOP - 30;
    if (line.y < stage.scrollTop) stage.scrollTop = Math.max(0, line.y - 10);
    else if (line.y > stage.scrollTop + seen) stage.scrollTop = line.y - seen;
  }

  follow(each) {
    const place = lower(this.shown, each);
    if (this.shown[place] === each) this.list.scrollTop = Math.max(0, (place - 3) * ROW);
  }

  copy(text) {
    const old = () => {
      const area = make("textarea"); area.value = text;
      this.box.append(area); area.select(); document.execCommand("copy"); area.remove();
    };
    if (navigator.clipboard) navigator.clipboard.writeText(text).catch(old); else old();
  }

  save() {
    this.paint();
    this.canvas.toBlob((blob) => {
      const link = make("a", { href: URL.createObjectURL(blob), download: `${this.data.id}.png` });
      link.click();
      URL.revokeObjectURL(link.href);
    });
  }

  /** To the event that comes so many places later among those that are shown. */
  step(by) {
    const { shown } = this, place = this.picked < 0 ? (by > 0 ? -1 : shown.length) : lower(shown, this.picked);
    if (shown.length) this.pick(shown[Math.min(Math.max(place + by, 0), shown.length - 1)]);
  }

  key(event, own = {}) {
    const width = this.view[1] - this.view[0], { shown } = this;
    const move = (by) => this.show([this.view[0] + width * by, this.view[1] + width * by]);
    const actions = {
      ArrowRight: () => (event.shiftKey ? move(0.2) : this.step(1)), ArrowLeft: () => (event.shiftKey ? move(-0.2) : this.step(-1)),
      ArrowDown: () => this.lane(1), ArrowUp: () => this.lane(-1),
      "+": () => this.zoom(0.6), "=": () => this.zoom(0.6), "-": () => this.zoom(1 / 0.6),
      Home: () => shown.length && this.pick(shown[0]), End: () => shown.length && this.pick(shown.at(-1)),
      Enter: () => { this.from = event.currentTarget; this.pane.querySelector("button")?.focus(); },
      f: () => this.show(this.whole), F: () => this.show(this.whole), "/": () => this.search.focus(),
      Escape: () => { this.measured = null; this.measure.textContent = ""; this.pick(-1); },
      ...own,
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !actions[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    actions[event.key]();
  }

  /** The event of the next lane that is nearest in time. */
  lane(by) {
    const { items, lanes } = this.data, from = this.picked < 0 ? this.shown[0] : this.picked;
    if (from === undefined) return;
    for (let lane = items.lane[from] + by; lane >= 0 && lane < lanes.length; lane += by) {
      let best = -1;
      for (const each of this.shown) {
        if (items.lane[each] === lane && items.line[each] >= 0 && (best < 0 ||
          Math.abs(items.start[each] - items.start[from]) < Math.abs(items.start[best] - items.start[from]))) best = each;
      }
      if (best >= 0) { this.pick(best); return; }
    }
  }
}

// ---- how it gets onto a page

/** Make the picture in an element live. */
export async function upgrade(root, text, chosen) {
  try {
    const data = await unpack(text);
    root.timeline = new Timeline(root, data, chosen);
  } catch (error) {
    // The picture stays, which is all that is lost.
    root.dataset.live = "no";
    root.dataset.error = String(error);
  }
}

export default {
  /** As a widget: the frame's rows that are selected go back to Python. */
  render({ model, el }) {
    const root = make("div");
    el.append(root);
    const fill = () => {
      root.innerHTML = model.get("frame_html");
      const holder = root.querySelector("[data-ca-timeline]");
      return upgrade(holder, model.get("payload"), (items) => { model.set("rows", items); model.save_changes(); });
    };
    model.on("change:payload", fill);
    return fill().then(() => () => model.off("change:payload", fill));
  },
};

if (typeof document !== "undefined") {
  for (const root of document.querySelectorAll("[data-ca-timeline]:not([data-live])")) {
    const held = root.querySelector('script[type="application/json"]');
    if (held) { root.dataset.live = "soon"; upgrade(root, JSON.parse(held.textContent).gz); }
  }
}
