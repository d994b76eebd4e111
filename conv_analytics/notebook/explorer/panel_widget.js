// The panel of an export as a widget of its own.
import { make } from "../dom.js";
import { Panel } from "./panel.js";
import { requestSender, follow, frame } from "./widget.js";

export default {
  render({ model, el }) {
    const root = make("div", { class: "ca-explore ca-export" }), panel = new Panel(root, requestSender(model));
    const ends = [frame(el, root), follow(model, ["view_state"], () => panel.show(model.get("view_state")))];
    return () => { for (const end of ends) end(); };
  },
};
