// The explorer's filters, numbers and table. Python decides what is shown; this draws it, and sends what its reader asks for.
// All texts reach the page as text nodes: none is ever read as HTML.
import { make, makeSvg } from "../dom.js";
import { focusedIn } from "./widget.js";

const STRIP_HEIGHT = 64, WAIT_MS = 200, JUMP = 10;
const LISTS = { networks: "network", countries: "country", directions: "direction", outcomes: "outcome" };
const NO_FILTERS = { since: "", until: "", networks: [], countries: [], directions: [], outcomes: [], verdicts: [], text: "" };
const classed = (kind) => `ca-${kind.replace(" ", "-")}`;

export class Explorer {
  constructor(root, send) {
    Object.assign(this, { root, send, focused: -1, anchor: -1, filters: {} });
    this.build();
  }

  // -- what is built once

  build() {
    const day = (name, label) => make("label", {}, `${label} `,
      make("input", { type: "date", name, onchange: () => this.filter() }));
    this.fields = make("div", { class: "ca-bar", role: "search", "aria-label": "Filters" },
      day("since", "since"), day("until", "before"),
      ...Object.entries(LISTS).map(([name, label]) => make("label", {}, `${label} `,
        make("select", { name, onchange: () => this.filter() }))));
    this.search = make("input", { type: "search", name: "text", placeholder: "number, id, code, word", "aria-label": "Search calls",
      oninput: () => { this.stopWaiting(); this.timer = setTimeout(() => this.filter(), WAIT_MS); } });
    this.chips = make("div", { class: "ca-bar", role: "group", "aria-label": "Audio" });
    const second = make("div", { class: "ca-bar" }, this.chips, make("span", { class: "ca-right" }, this.search),
      make("button", { type: "button", onclick: () => this.showAll() }, "show all"));
    this.numbers = make("p", { class: "ca-numbers", "aria-live": "polite" });
    this.wrong = make("p", { class: "ca-wrong", role: "alert", hidden: "" });
    this.strip = make("div", { class: "ca-strip" });
    this.head = make("tr");
    this.body = make("tbody", { onclick: (event) => this.clicked(event), onkeydown: (event) => this.key(event),
      onfocusin: (event) => this.entered(event) });
    const table = make("table", { role: "grid", "aria-multiselectable": "true", "aria-label":
      "Calls. Arrow keys: next and previous. Enter: timeline. Space: select. Control and A: select all." },
      make("thead", {}, this.head), this.body);
    this.list = make("div", { class: "ca-list" }, table);
    this.pager = make("div", { class: "ca-bar ca-pager" });
    this.root.append(this.fields, second, this.numbers, this.wrong, this.strip, this.list, this.pager);
  }

  // -- what Python sends

  /** Show a state; `changed` names the parts of it that are new. */
  show(state, changed) {
    const before = this.state, focused = focusedIn(this.root), inside = this.body.contains(focused);
    this.state = state;
    // Positions are those of one generation of the data.
    if (before && before.generation !== state.generation) this.focused = this.anchor = -1;
    // What was asked for last counts until all is answered.
    const settled = !this.send.pending();
    if (settled) this.filters = state.filters;
    if (settled && (changed.has("filtering") || changed.has("answered"))) this.fill(focused);
    if (changed.has("filtering")) { this.toggles(focused); this.bars(); }
    if (changed.has("filtering") || changed.has("error")) this.showNumbers();
    if (changed.has("table")) {
      this.heads(focused);
      this.rows();
      if (before && before.first !== state.first) this.list.scrollTop = 0;
      if (inside) this.focus(this.places().includes(this.focused) ? this.focused : this.places()[this.atEnd ? state.rows.length - 1 : 0]);
      this.atEnd = false;
    } else if (changed.has("selection")) this.marks();
    if (changed.has("table") || changed.has("selection")) this.pages();
    this.root.dataset.live = "yes";
  }

  fill(focused, filters = this.state.filters) {
    const { options } = this.state;
    for (const field of [...this.fields.querySelectorAll("input"), this.search]) {
      const value = filters[field.name];
      // What is being typed stays as it is.
      if (field === this.search && this.timer) continue;
      if (field !== focused || !value) field.value = field.type === "date" ? value.slice(0, 10) : value;
    }
    for (const field of this.fields.querySelectorAll("select")) {
      const chosen = filters[field.name];
      const made = Object.entries(options[field.name]).map(([value, count]) =>
        make("option", { value }, `${value.replaceAll("_", " ")} (${count.toLocaleString("en")})`));
      const several = chosen.length > 1 ? [make("option", { value: "\0" }, `${chosen.length} of them`)] : [];
      field.replaceChildren(make("option", { value: "" }, "any"), ...several, ...made);
      field.value = chosen.length > 1 ? "\0" : chosen[0] ?? "";
      field.classList.toggle("ca-set", chosen.length > 0);
    }
  }

  toggles(focused) {
    const { filters, options } = this.state, chosen = filters.verdicts;
    const name = this.chips.contains(focused) ? focused.name : null;
    this.chips.replaceChildren(make("span", { class: "ca-quiet" }, "audio"), ...this.state.verdicts.map((verdict) => {
      const on = chosen.includes(verdict), count = (options.verdicts[verdict] ?? 0).toLocaleString("en");
      return make("button", { type: "button", class: "ca-chip", name: verdict, "aria-pressed": String(on),
        onclick: () => this.toggleVerdict(verdict) },
        make("i", { class: classed(verdict) }), `${verdict} ${count}`);
    }));
    if (name) this.chips.querySelector(`[name="${name}"]`)?.focus();
  }

  showNumbers() {
    const { numbers, masked, error } = this.state;
    this.numbers.replaceChildren(...numbers.map(([number, words]) =>
      make("span", {}, make("b", {}, number), ` ${words}`)),
      make("span", { class: masked ? "ca-quiet" : "ca-open" }, masked ? "people masked" : "UNMASKED"));
    this.wrong.textContent = error;
    this.wrong.hidden = !error;
  }

  bars() {
    const { bins, kinds } = this.state;
    if (!bins.length) { this.strip.replaceChildren(); return; }
    const most = Math.max(...bins.map(([, counts]) => counts.reduce((a, b) => a + b)), 1);
    const svg = makeSvg("svg", { viewBox: `0 0 ${bins.length * 10} ${STRIP_HEIGHT}`, preserveAspectRatio: "none", role: "img",
      "aria-label": `Calls by time, from ${bins[0][0]} to ${bins.at(-1)[0]}, at most ${most} at once` });
    bins.forEach(([at, counts], place) => {
      const words = counts.map((count, kind) => count && `${count} ${kinds[kind]}`).filter(Boolean).join(", ");
      const group = makeSvg("g", {}, makeSvg("title", {}, `${at}: ${words || "none"}`),
        makeSvg("rect", { x: place * 10, y: 0, width: 10, height: STRIP_HEIGHT, class: "ca-air" }));
      let y = STRIP_HEIGHT;
      counts.forEach((count, kind) => {
        const height = count / most * (STRIP_HEIGHT - 4);
        y -= height;
        if (count) group.append(makeSvg("rect", { x: place * 10 + 1, y, width: 8, height, class: classed(kinds[kind]) }));
      });
      svg.append(group);
    });
    const legend = make("span", { class: "ca-legend" },
      ...kinds.map((kind) => make("span", {}, make("i", { class: classed(kind) }), kind)));
    this.strip.replaceChildren(svg, make("div", { class: "ca-quiet ca-ends" }, make("span", {}, bins[0][0]), legend,
      make("span", {}, bins.at(-1)[0])));
  }

  heads(focused) {
    const { columns, sort, descending } = this.state, name = this.head.contains(focused) ? focused.name : null;
    this.head.replaceChildren(...columns.map(([column, shown, tip]) => {
      const sorted = column === sort ? (descending ? "descending" : "ascending") : "none";
      const mark = { none: "", ascending: " \u25b2", descending: " \u25bc" }[sorted];
      return make("th", { scope: "col", "aria-sort": sorted }, make("button", { type: "button", name: column, title: tip,
        onclick: () => this.send({ do: "sort", column, descending: sorted === "ascending" }) }, shown + mark));
    }));
    if (name) this.head.querySelector(`[name="${name}"]`)?.focus();
  }

  rows() {
    const { rows, columns, kinds } = this.state;
    const verdict = columns.findIndex(([name]) => name === "verdict");
    if (!this.places().includes(this.focused)) this.focused = this.places()[0] ?? -1;
    this.body.replaceChildren(...rows.map(([place, cells]) => make("tr", {
      "data-place": place, tabindex: place === this.focused ? "0" : "-1",
    }, ...cells.map((cell, column) => {
      const td = make("td", { title: cell });
      if (column === verdict && kinds.includes(cell)) td.append(make("i", { class: classed(cell) }));
      td.append(make("bdi", {}, cell));
      return td;
    }))));
    if (!rows.length) {
      this.body.append(make("tr", {}, make("td", { colspan: columns.length, class: "ca-quiet" },
        this.state.total ? "No call passes these filters." : "There are no calls in this data.")));
    }
    this.marks();
  }

  /** Which rows are selected, and which one is open. */
  marks() {
    const { on_page: selected, opened } = this.state;
    this.mark(selected);
    for (const row of this.body.querySelectorAll("[data-place]")) {
      if (Number(row.dataset.place) === opened) row.setAttribute("aria-current", "true"); else row.removeAttribute("aria-current");
    }
  }

  mark(places) {
    const selected = new Set(places);
    for (const row of this.body.querySelectorAll("[data-place]")) row.setAttribute("aria-selected", String(selected.has(Number(row.dataset.place))));
  }

  pages() {
    const { first, matching, page, count: selected } = this.state, last = Math.min(first + page, matching);
    const turn = (words, name, to, on) => make("button", { type: "button", "aria-label": name, title: name,
      ...(on ? {} : { disabled: "" }), onclick: () => this.send({ do: "turn", first: to }) }, words);
    const span = matching ? `${(first + 1).toLocaleString("en")}\u2013${last.toLocaleString("en")} of ${matching.toLocaleString("en")}` : "none";
    const some = selected === 1 ? "1 call selected" : `${selected.toLocaleString("en")} calls selected`;
    this.pager.replaceChildren(turn("\u2039", "Previous page", first - page, first > 0), make("span", {}, span),
      turn("\u203a", "Next page", first + page, last < matching),
      make("span", { class: "ca-quiet ca-right", "aria-live": "polite" }, selected ? some : "click or Enter: timeline; Space or Ctrl and click: select"),
      ...(selected ? [make("button", { type: "button", onclick: () => this.choose([]) }, "select none")] : []));
  }

  // -- what the reader asks for

  stopWaiting() { clearTimeout(this.timer); this.timer = 0; }

  filter(changed = {}) {
    this.stopWaiting();
    const filters = { ...this.filters, ...changed, text: this.search.value };
    for (const field of this.fields.querySelectorAll("input, select")) {
      if (field.type === "date") {
        // An instant that Python set is kept as long as its day is.
        if (field.value !== filters[field.name].slice(0, 10)) filters[field.name] = field.value;
      } else if (field.value !== "\0") filters[field.name] = field.value ? [field.value] : [];
    }
    this.filters = filters;
    this.send({ do: "filter", filters: filters });
  }

  showAll() {
    this.stopWaiting();
    this.filters = NO_FILTERS;
    this.fill(null, NO_FILTERS);
    this.send({ do: "filter", filters: {} });
  }

  toggleVerdict(verdict) {
    const chosen = this.filters.verdicts;
    this.filter({ verdicts: chosen.includes(verdict) ? chosen.filter((each) => each !== verdict) : [...chosen, verdict] });
  }

  places() { return this.state.rows.map(([place]) => place); }

  row(place) { return this.body.querySelector(`[data-place="${place}"]`); }

  focus(place) {
    const row = place === undefined ? null : this.row(place);
    if (row) { row.focus({ preventScroll: true }); this.reveal(row); }
  }

  /** Only the list scrolls, never the page around it. */
  reveal(row) {
    const top = row.offsetTop - this.head.offsetHeight, bottom = row.offsetTop + row.offsetHeight;
    if (top < this.list.scrollTop) this.list.scrollTop = top;
    else if (bottom > this.list.scrollTop + this.list.clientHeight) this.list.scrollTop = bottom - this.list.clientHeight;
  }

  entered(event) {
    const row = event.target.closest("[data-place]");
    if (!row) return;
    this.row(this.focused)?.setAttribute("tabindex", "-1");
    row.setAttribute("tabindex", "0");
    this.focused = Number(row.dataset.place);
  }

  /** Send a request about calls: their positions are those of the data that is shown. */
  sendOf(message) { this.send({ ...message, generation: this.state.generation }); }

  choose(places, open = null) {
    this.mark(places);
    this.sendOf({ do: "choose", places, open });
  }

  toggled(place) {
    this.anchor = place;
    const row = this.row(place), selected = row?.getAttribute("aria-selected") === "true";
    this.sendOf({ do: "toggle", place });
    row?.setAttribute("aria-selected", String(!selected));
  }

  span(place) {
    const places = this.places(), ends = [places.indexOf(this.anchor), places.indexOf(place)];
    if (ends[0] < 0) { this.anchor = place; ends[0] = ends[1]; }
    ends.sort((a, b) => a - b);
    this.choose(places.slice(ends[0], ends[1] + 1));
  }

  open(place) { this.anchor = place; this.choose([place], place); }

  clicked(event) {
    const row = event.target.closest("[data-place]");
    if (!row) return;
    const place = Number(row.dataset.place);
    this.focus(place);
    if (event.shiftKey) this.span(place);
    else if (event.ctrlKey || event.metaKey) this.toggled(place);
    else this.open(place);
  }

  key(event) {
    const places = this.places(), at = places.indexOf(this.focused), { first, matching, page } = this.state;
    const move = (to) => {
      if (to >= places.length && first + page < matching) { this.send({ do: "turn", first: first + page }); return; }
      if (to < 0 && first > 0) { this.atEnd = true; this.send({ do: "turn", first: first - page }); return; }
      const place = places[Math.min(Math.max(to, 0), places.length - 1)];
      this.focus(place);
      if (event.shiftKey) this.span(place);
    };
    const actions = {
      ArrowDown: () => move(at + 1), ArrowUp: () => move(at - 1), PageDown: () => move(at + JUMP), PageUp: () => move(at - JUMP),
      Home: () => move(0), End: () => move(places.length - 1), Enter: () => this.open(this.focused),
      " ": () => this.toggled(this.focused), Escape: () => this.choose([]),
    };
    const all = (event.ctrlKey || event.metaKey) && event.key === "a";
    if (!all && (event.ctrlKey || event.metaKey || event.altKey || !actions[event.key] || at < 0)) return;
    event.preventDefault();
    event.stopPropagation();
    if (all) this.sendOf({ do: "all" }); else actions[event.key]();
  }
}
