// The explorer as one widget: the panel of an export where there is one, the calls, and the timeline of the call that is open.
import { make, watchTheme } from "../dom.js";
import { Explorer } from "./explorer.js";
import { Opened } from "./open_timeline.js";
import { Panel } from "./panel.js";
import { requestSender, follow, frame } from "./widget.js";

const TRAITS = ["headings", "filtering", "table", "selection", "error", "answered"];

export default {
  render({ model, el }) {
    const calls = make("div", { class: "ca-explore" }), below = make("div"), above = make("div");
    const send = requestSender(model), view = new Explorer(calls, send);
    const opened = new Opened(below, (id, rows) => { model.set("picked", { id, rows }); model.save_changes(); });
    let panel = null;
    const export_ = () => {
      const state = model.get("export");
      if (!state.status) return;
      if (!panel) {
        const root = make("div", { class: "ca-explore ca-export" });
        above.append(root);
        panel = new Panel(root, (message) => send({ to: "export", ...message }));
      }
      panel.show(state);
    };
    const ends = [
      frame(el, above, calls, below), watchTheme(() => opened.themed()), () => opened.end(), () => send.end(),
      follow(model, ["export"], export_),
      follow(model, TRAITS, (changed) => view.show({ ...model.get("headings"), ...model.get("filtering"), ...model.get("table"),
        ...model.get("selection"), error: model.get("error") }, changed)),
      follow(model, ["conversation"], () => { opened.show(model.get("conversation")); }),
    ];
    return () => { for (const end of ends) end(); };
  },
};
