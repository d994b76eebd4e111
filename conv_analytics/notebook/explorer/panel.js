// The panel of an export: fields, two buttons, and how far it is. Python runs the export; this shows what it says.
// All texts reach the page as text nodes: none is ever read as HTML.

const FIELDS = [["folder", "export to", "text", ""], ["since", "created since", "date", ""], ["until", "before", "date", ""],
  ["tables", "tables", "text", "all but users, sessions"]];

function make(name, attributes = {}, ...inner) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value); else node.setAttribute(key, value);
  }
  node.append(...inner);
  return node;
}

export class Panel {
  constructor(root, ask) {
    this.root = root;
    this.fields = FIELDS.map(([name, label, type, placeholder]) => {
      const field = make("input", { type, name, placeholder, spellcheck: "false",
        onkeydown: (event) => { if (event.key === "Enter" && !this.start.disabled) this.start.click(); } });
      return [field, make("label", {}, `${label} `, field)];
    });
    this.start = make("button", { type: "button", class: "ca-main", onclick: () => ask({ do: "start", fields: this.values() }) }, "Start");
    this.stop = make("button", { type: "button", onclick: () => ask({ do: "stop" }) }, "Stop");
    this.bar = make("progress", { "aria-label": "Conversations read" });
    this.text = make("span", { class: "ca-quiet ca-reach" });
    this.status = make("b");
    this.said = make("span", { class: "ca-quiet" });
    this.wrong = make("p", { class: "ca-wrong", role: "alert", hidden: "" });
    root.append(
      make("div", { class: "ca-bar", role: "group", "aria-label": "Export" }, ...this.fields.map(([, label]) => label), this.start, this.stop),
      make("div", { class: "ca-bar" }, this.bar, make("span", { role: "status" }, this.status, " ", this.said), this.text), this.wrong);
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
    const held = document.activeElement;
    this.start.disabled = state.running;
    this.stop.disabled = !state.running || state.status === "stopping";
    if (held === this.start && state.running) this.stop.focus();
    if (held === this.stop && !state.running) this.start.focus();
    this.root.dataset.status = state.status;
    if (this.status.textContent !== state.status) {
      this.status.textContent = state.status;
      this.said.textContent = state.said;
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

export default {
  render({ model, el }) {
    // JupyterLab's own keys rest while the focus is in here.
    const root = make("div", { class: "ca-explore ca-export", "data-lm-suppress-shortcuts": "true" });
    el.append(root);
    const panel = new Panel(root, (message) => model.send(message));
    const show = () => panel.show(JSON.parse(model.get("shown")));
    model.on("change:shown", show);
    show();
    return () => model.off("change:shown", show);
  },
};
