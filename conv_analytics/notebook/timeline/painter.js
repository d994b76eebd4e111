// Paints a timeline on a canvas. Everything from top to bottom was laid out in Python; a view says what is painted from
// left to right. What stands where afterwards is in `targets`.
import { OVERVIEW_BINS, clusters, instant, lowerBound, position, ticks } from "./time.js";

const OVERVIEW = 22, RIGHT = 12, BELOW = 12, FONT = "system-ui, sans-serif";

export class Painter {
  /** A scene has the view of the whole, zone, lines and overview, and which items are picked, hovered or measured. */
  constructor(canvas, data, scene) {
    Object.assign(this, { canvas, data, scene, targets: [], top: OVERVIEW + data.axis.height, g: canvas.getContext("2d") });
    this.shapes = data.shapes.map((shape) => new Path2D(shape));
  }

  /** Height of everything, with the axis above. */
  get height() { return this.data.height + this.top + BELOW; }

  setTheme(theme) { this.theme = theme; this.patterns = null; }

  /** Position of an instant of the view. */
  x(at) { return position(at, this.scene.view, this.data.gutter, this.plot); }

  /** Instant at a position. */
  at(x) { return instant(x, this.scene.view, this.data.gutter, this.plot); }

  /** Instant at a position of the overview above the axis. */
  overviewAt(x) { return instant(x, this.scene.whole, this.data.gutter, this.plot); }

  inOverview(y) { return y < OVERVIEW; }

  /** The mark or band at a position; a mark before the band that it stands on. */
  hit(x, y) {
    if (y < this.top || x < this.data.gutter) return null;
    const down = y - this.top + this.scroll;
    let best = null;
    for (const target of this.targets) {
      const near = target.band ? 1 : 3;
      if (x >= target.left - near && x <= target.right + near && down >= target.top && down <= target.bottom
        && (!best || target.band <= best.band)) best = target;
    }
    return best;
  }

  /** Paint the scene in a size, scrolled down so far. */
  paint(size, scroll) {
    Object.assign(this, { size, scroll, targets: [] });
    const { canvas, g, theme, data } = this, [width, height] = size, ratio = globalThis.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.plot = Math.max(width - data.gutter - RIGHT, 50);
    this.patterns ??= this.makePatterns();
    g.fillStyle = theme.ground;
    g.fillRect(0, 0, width, height);
    const ticked = ticks(data.start + this.scene.view[0], data.start + this.scene.view[1], this.plot, this.scene.zone, data.axis);
    g.strokeStyle = theme.line;
    g.lineWidth = 1;
    g.beginPath();
    for (const [at] of ticked) {
      const x = Math.round(this.x(at - data.start)) + 0.5;
      g.moveTo(x, this.top - 6); g.lineTo(x, height);
    }
    g.stroke();
    g.save();
    g.translate(0, this.top - this.scroll);
    this.paintLanes(this.scroll, height - this.top);
    g.restore();
    this.paintTop(ticked);
  }

  paintLanes(top, height) {
    const { g, theme, data } = this, [width] = this.size, { gutter } = data;
    const inSight = (y, tall) => y + tall >= top - 10 && y <= top + height + 10;
    g.save();
    g.beginPath(); g.rect(gutter, top, width - gutter, height + 20); g.clip();
    data.lines.forEach((line, number) => {
      if (!inSight(line.y, line.h)) return;
      if (line.role === "quality") this.paintQuality(line, this.scene.lines[number - 1].bands);
      this.paintBands(line, this.scene.lines[number]);
      if (line.role === "marks") this.paintMarks(line, this.scene.lines[number]);
    });
    this.paintArrow();
    g.restore();
    data.lanes.forEach((lane) => {
      if (!inSight(lane.y, lane.h)) return;
      if (lane.kind !== "leg") { g.fillStyle = theme.line; g.fillRect(0, lane.y - 5, width, 1); }
      const bold = lane.kind === "member";
      g.fillStyle = bold ? theme.text : theme.quiet;
      const x = lane.kind === "leg" ? 22 : 12;
      this.write(lane.shown, x, lane.y + 14, gutter - x - 6, 12, bold ? "600 " : "");
    });
  }

  /** A text, shortened to the room that there is. */
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

  target(item, left, right, { y, h }, band, more = {}) {
    this.targets.push({ item, left, right, top: y, bottom: y + h, band, ...more });
  }

  paintBands(line, { bands, bandStarts, bandEnds }) {
    const { g, theme } = this, { start, lasts } = this.data.items, [from, to] = this.scene.view;
    const scale = this.plot / (to - from), last = lowerBound(bandStarts, to);
    let painted = -Infinity;
    for (let each = lowerBound(bandEnds, from); each < last; each++) {
      const item = bands[each], x = this.data.gutter + (start[item] - from) * scale, width = lasts[item] * scale;
      if (width >= 2 || line.role === "main" || last - each < 50) { this.paintBand(line, item); painted = x + width; continue; }
      // Too narrow for more than a stroke; where strokes would cover each other, one is enough.
      if (x < painted + 0.5) continue;
      g.fillStyle = theme.kinds.media;
      g.fillRect(x, line.y, 1.2, line.h);
      this.target(item, x, x + 1.5, line, true);
      painted = x + 1;
    }
  }

  paintBand(line, item) {
    const { g, theme, data } = this, { items } = data, kind = items.what[item], what = data.whats[kind];
    let x = this.x(items.start[item]), end = this.x(items.start[item] + items.lasts[item]);
    if (end < data.gutter - 2 || x > this.size[0]) return;
    x = Math.max(x, data.gutter - 4); end = Math.min(Math.max(end, x + 1.5), this.size[0] + 4);
    const { y, h } = line, text = data.words[items.text[item]], open = items.flags[item] & 3;
    this.target(item, x, end, line, true);
    if (what === "left") { this.paintLeft(line, text.split(": ")[1] ?? "left", x, end); return; }
    const state = data.states[kind];
    g.fillStyle = theme.states[state] ?? theme.kinds.media;
    g.strokeStyle = theme.edges[state] ?? theme.kinds.media;
    g.lineWidth = 1.2;
    g.beginPath(); g.roundRect(x, y, end - x, h, 3);
    if (what !== "unknown") { g.globalAlpha = line.role === "main" ? 0.26 : 0.45; g.fill(); g.globalAlpha = 1; } else g.strokeStyle = theme.quiet;
    if (data.fills[kind]) { g.fillStyle = this.patterns[data.fills[kind]]; g.fill(); }
    if (open || what === "unknown") g.setLineDash([6, 3]);
    g.stroke();
    g.setLineDash([]);
    if (item === this.scene.picked || item === this.scene.hovered) { g.strokeStyle = theme.accent; g.lineWidth = 2.5; g.stroke(); }
    if (data.overlays[kind]) return;
    const level = items.level[item] ? ` \u00b7 ${data.words[items.level[item]]}` : "", size = line.role === "main" ? 11 : 9.5;
    g.fillStyle = theme.text;
    this.write(text + level + (items.flags[item] & 2 ? " \u2026" : ""), x + 5, y + h / 2 + size * 0.36, end - x - 8, size);
  }

  /** A member has left: the reason, and a dotted line that goes on behind it. */
  paintLeft({ y, h }, reason, x, end) {
    const { g, theme } = this;
    g.fillStyle = theme.quiet;
    this.write(reason, x + 5, y + 14, this.size[0] - x - 10, 11);
    const after = x + 9 + g.measureText(reason).width;
    g.strokeStyle = theme.quiet; g.setLineDash([1, 3]); g.lineWidth = 1;
    g.beginPath(); g.moveTo(x, y); g.lineTo(x, y + h);
    if (after < end) { g.moveTo(after, y + h / 2); g.lineTo(end, y + h / 2); }
    g.stroke();
    g.setLineDash([]);
  }

  paintQuality(line, bands) {
    const { g, theme, data } = this, { items } = data;
    for (const item of bands) {
      if (data.whats[items.what[item]] !== "answered") continue;
      const x = this.x(items.start[item]), width = Math.max(this.x(items.start[item] + items.lasts[item]) - x, 2);
      const level = data.words[items.level[item]];
      if (data.measured.includes(level)) {
        g.fillStyle = theme.quality[level]; g.fillRect(x, line.y, width, 5);
        g.strokeStyle = theme.edges[level]; g.lineWidth = 1; g.strokeRect(x + 0.5, line.y + 0.5, width - 1, 5);
      } else {
        g.strokeStyle = theme.quality.unmeasured; g.setLineDash([1.5, 4]); g.lineWidth = 2;
        g.beginPath(); g.moveTo(x, line.y + 2.5); g.lineTo(x + width, line.y + 2.5); g.stroke(); g.setLineDash([]);
      }
    }
  }

  paintMarks(line, { marks, markTimes: at }) {
    const { data } = this, { items } = data;
    const margin = (this.scene.view[1] - this.scene.view[0]) / this.plot * 20;
    const first = lowerBound(at, this.scene.view[0] - margin), last = lowerBound(at, this.scene.view[1] + margin);
    if (last - first > this.plot / data.dense_px) { this.paintDensity(line, marks, at, first, last); return; }
    clusters(last - first, (each) => this.x(at[first + each]), (from, to) => {
      const group = marks.slice(first + from, first + to);
      let top = group[0];
      for (const item of group) if (data.weights[items.what[item]] > data.weights[items.what[top]]) top = item;
      this.paintMark(top, (this.x(at[first + from]) + this.x(at[first + to - 1])) / 2, line.y + line.h / 2, group);
    }, data.clusters);
  }

  paintMark(item, x, y, group) {
    const { g, theme, data } = this, { items } = data, what = items.what[item], many = group.length > 1;
    const marked = group.includes(this.scene.picked) || group.includes(this.scene.hovered);
    g.save();
    let half = 7;
    if (many) {
      g.font = `10px ${FONT}`;
      half = 8 + g.measureText(String(group.length)).width / 2;
      g.beginPath(); g.roundRect(x - half, y - 8, half * 2 + 2, 16, 8);
      g.fillStyle = theme.ground; g.fill();
      g.strokeStyle = marked ? theme.accent : theme.quiet; g.lineWidth = marked ? 2.5 : 1; g.stroke();
      g.fillStyle = theme.text; g.fillText(String(group.length), x - half + 16, y + 3.6);
      g.translate(x - half + 9, y); g.scale(0.8, 0.8);
    } else g.translate(x, y);
    g.fillStyle = theme.kinds[data.kinds[what]];
    g.strokeStyle = marked && !many ? theme.accent : theme.ground;
    g.lineWidth = marked && !many ? 3 : 0.8;
    if (!many) g.stroke(this.shapes[what]);
    g.fill(this.shapes[what]);
    g.restore();
    if (group.some((one) => items.order[one])) {
      g.fillStyle = theme.kinds.end;
      g.beginPath(); g.moveTo(x + 4, y - 8); g.lineTo(x + 9, y - 8); g.lineTo(x + 6.5, y - 4); g.fill();
    }
    this.target(item, x - half, x + half, { y: y - 9, h: 18 }, false, { count: group.length, last: group.at(-1), first: group[0] });
  }

  /** Too many for marks: a bar every three pixels, as dark and as tall as there are events. */
  paintDensity(line, marks, at, first, last) {
    const { g, theme } = this, bins = new Uint32Array(Math.ceil(this.plot / 3) + 2), starts = new Int32Array(bins.length).fill(-1);
    const scale = this.plot / (this.scene.view[1] - this.scene.view[0]) / 3;
    let most = 1;
    for (let each = first; each < last; each++) {
      const bin = Math.floor((at[each] - this.scene.view[0]) * scale);
      if (bin < 0 || bin >= bins.length) continue;
      if (starts[bin] < 0) starts[bin] = each;
      if (++bins[bin] > most) most = bins[bin];
    }
    g.fillStyle = theme.kinds.message;
    for (let bin = 0; bin < bins.length; bin++) {
      if (!bins[bin]) continue;
      const part = Math.log1p(bins[bin]) / Math.log1p(most), tall = 4 + part * (line.h - 4), x = this.data.gutter + bin * 3;
      g.globalAlpha = 0.45 + 0.55 * part;
      g.fillRect(x, line.y + line.h - tall, 2.4, tall);
      const item = marks[starts[bin]];
      this.target(item, x - 1, x + 3, line, false, { count: bins[bin], first: item, last: marks[starts[bin] + bins[bin] - 1] });
    }
    g.globalAlpha = 1;
  }

  /** Where the selected event leads to: a transfer, an invitation. */
  paintArrow() {
    const { g, theme, data, scene: { picked } } = this;
    const to = picked >= 0 ? data.items.to[picked] : null, line = data.lines[data.items.line[picked]];
    if (to === null || to === undefined || !line) return;
    const x = this.x(data.items.start[picked]), y = line.y + line.h / 2, end = data.lanes[to].y + 10;
    g.strokeStyle = g.fillStyle = theme.kinds.control; g.lineWidth = 1.6; g.setLineDash([5, 3]);
    g.beginPath(); g.moveTo(x, y); g.bezierCurveTo(x + 20, y, x + 20, end, x + 4, end); g.stroke(); g.setLineDash([]);
    g.beginPath(); g.moveTo(x + 2, end); g.lineTo(x + 10, end - 4); g.lineTo(x + 10, end + 4); g.fill();
  }

  /** The overview of the whole, the axis, and what is being measured. */
  paintTop(ticked) {
    const { g, theme, top } = this, [width, height] = this.size, { gutter } = this.data;
    g.fillStyle = theme.ground; g.fillRect(0, 0, width, top - 5);
    g.fillStyle = theme.raised; g.fillRect(gutter, 2, this.plot, OVERVIEW - 4);
    const most = Math.max(1, ...this.scene.overview), step = this.plot / OVERVIEW_BINS;
    g.fillStyle = theme.quiet;
    this.scene.overview.forEach((count, bin) => {
      const tall = count ? 2 + (Math.log1p(count) / Math.log1p(most)) * (OVERVIEW - 8) : 0;
      g.fillRect(gutter + bin * step, OVERVIEW - 2 - tall, Math.max(step - 0.5, 1), tall);
    });
    const [from, to] = this.scene.view.map((at) => position(at, this.scene.whole, gutter, this.plot));
    g.strokeStyle = theme.accent; g.lineWidth = 1.5;
    g.strokeRect(from, 2, Math.max(to - from, 3), OVERVIEW - 4);
    g.fillStyle = theme.quiet; g.font = `11px ${FONT}`;
    g.fillText(this.scene.zone, 12, OVERVIEW + 16);
    g.textAlign = "center";
    for (const [at, text] of ticked) g.fillText(text, this.x(at - this.data.start), OVERVIEW + 16);
    g.textAlign = "left";
    if (this.scene.measured) {
      const [left, right] = this.scene.measured.map((at) => this.x(at)).sort((a, b) => a - b);
      g.globalAlpha = 0.14; g.fillStyle = theme.accent; g.fillRect(left, top - 5, right - left, height); g.globalAlpha = 1;
    }
  }

  makePatterns() {
    const { g, theme, data } = this;
    return Object.fromEntries(data.patterns.map(([name, size, path]) => {
      const tile = document.createElement("canvas"), pen = tile.getContext("2d");
      tile.width = tile.height = size;
      pen.strokeStyle = theme.text; pen.globalAlpha = 0.5;
      pen.stroke(new Path2D(path));
      return [name, g.createPattern(tile, "repeat")];
    }));
  }
}
