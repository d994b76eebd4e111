// The explorer's widgets: Python sends a state, and gets messages back.
import { make } from "../dom.js";

/** As a widget that shows what Python says in `shown`, and sends what its reader asks for. */
export function widget(attributes, View) {
  return {
    render({ model, el }) {
      // JupyterLab's own keys rest while the focus is in here.
      const root = make("div", { ...attributes, "data-lm-suppress-shortcuts": "true" });
      el.append(root);
      const view = new View(root, (message) => model.send(message));
      const show = () => view.show(JSON.parse(model.get("shown")));
      model.on("change:shown", show);
      show();
      return () => model.off("change:shown", show);
    },
  };
}
