// The panel of an export as a widget of its own.
import { make } from "../dom.js";
import { Panel } from "./panel.js";
import { requestSender, follow, frame } from "./widget.js";

export default {
  render({ model, el }) {
    const root = make("div", { class: "ca-explore ca-export" }), panel = new Panel(root, requestSender(model));
    const ends = [frame(el, root), follow(model, ["shown"], () => panel.show(model.get("shown")))];
    return () => { for (const end of ends) end(); };
  },
};
