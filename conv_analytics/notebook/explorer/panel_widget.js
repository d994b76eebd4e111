// The panel of an export as a widget of its own.
import { make } from "../dom.js";
import { Panel } from "./panel.js";
import { requestSender, follow, frame } from "./widget.js";

export default {
  render({ model, el }) {
    const root = make("div", { class: "ca-explore ca-export" }), send = requestSender(model), panel = new Panel(root, send);
    const ends = [frame(el, root), () => send.end(), follow(model, ["view_state"], () => panel.show(model.get("view_state")))];
    return () => { for (const end of ends) end(); };
  },
};
