// The panel of an export: fields, two buttons, and the progress. Python runs the export; this shows its state.
// All texts reach the page as text nodes: none is ever read as HTML.
import { make } from "../dom.js";
import { focusedIn } from "./widget.js";

const FIELDS = [["folder", "export to", "text", ""], ["since", "created since", "date", ""], ["until", "before", "date", ""],
  ["tables", "tables", "text", "all but users, sessions"]];

export class Panel {
  constructor(root, send) {
    this.root = root;
    this.fields = FIELDS.map(([name, label, type, placeholder]) => {
      const field = make("input", { type, name, placeholder, spellcheck: "false",
        onkeydown: (event) => { if (event.key === "Enter" && !this.start.disabled) this.start.click(); } });
      return [field, make("label", {}, `${label} `, field)];
    });
    this.start = make("button", { type: "button", class: "ca-main", onclick: () => send({ do: "start", fields: this.values() }) }, "Start");
    this.stop = make("button", { type: "button", onclick: () => send({ do: "stop" }) }, "Stop");
    this.bar = make("progress", { "aria-label": "Conversations read" });
    this.text = make("span", { class: "ca-quiet ca-reach" });
    this.status = make("b");
    this.hint = make("span", { class: "ca-quiet" });
    this.wrong = make("p", { class: "ca-wrong", role: "alert", hidden: "" });
    root.append(
      make("div", { class: "ca-bar", role: "group", "aria-label": "Export" }, ...this.fields.map(([, label]) => label), this.start, this.stop),
      make("div", { class: "ca-bar" }, this.bar, make("span", { role: "status" }, this.status, " ", this.hint), this.text), this.wrong);
  }

  values() { return Object.fromEntries(this.fields.map(([field]) => [field.name, field.value])); }

  show(state) {
    for (const [field] of this.fields) {
      const value = state.fields[field.name];
      // What was typed and not started yet stays.
      if (this.known?.[field.name] !== value) field.value = field.type === "date" ? value.slice(0, 10) : value;
      field.disabled = state.running;
    }
    this.known = state.fields;
    const focused = focusedIn(this.root);
    this.start.disabled = state.running;
    this.stop.disabled = !state.running || state.status === "stopping";
    if (focused === this.start && state.running) this.stop.focus();
    if (focused === this.stop && !state.running) this.start.focus();
    this.root.dataset.status = state.status;
    if (this.status.textContent !== state.status) {
      this.status.textContent = state.status;
      this.hint.textContent = state.hint;
    }
    this.text.textContent = state.text;
    this.bar.hidden = state.status === "ready";
    if (state.total === null && state.running) this.bar.removeAttribute("value");
    else { this.bar.max = state.total ?? 1; this.bar.value = state.total === null ? 0 : state.done; }
    this.wrong.textContent = state.error;
    this.wrong.hidden = !state.error;
    this.root.dataset.live = "yes";
  }
}
