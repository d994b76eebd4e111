// Time and scale: pure functions and values without a page, so that they can be tested alone. Instants are microseconds.

const SECOND = 1e6, MINUTE = 60 * SECOND, HOUR = 3600 * SECOND, DAY = 24 * HOUR;
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
// The last millisecond of the calendar.
const LATEST = 253402300799999e3;
export const OVERVIEW_BINS = 240;
const twoDigits = (value) => String(value).padStart(2, "0");

const formats = {};
/** Offset of a zone's clock from UTC at an instant; 0 at the ends of the calendar, where the zone has no date. */
export function offset(at, zone) {
  if (zone === "UTC") return 0;
  formats[zone] ??= new Intl.DateTimeFormat("en-GB", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
  const [day, month, year, ...time] = formats[zone].format(Math.floor(at / 1000)).match(/\d+/g);
  const local = Date.parse(`${year.padStart(4, "0")}-${month}-${day}T${time.join(":")}Z`);
  const ahead = (local - Math.floor(at / SECOND) * 1000) * 1000;
  return Math.abs(ahead) < DAY ? ahead : 0;
}

/** An instant on the clock of a zone, as ISO 8601 with milliseconds; large numbers of microseconds are not exact. */
function clock(at, zone) {
  return new Date(Math.floor((Math.min(at, LATEST) + offset(at, zone)) / 1000)).toISOString();
}

/** Ticks from start to end: even times of the zone's clock, each with its label. An axis has steps and the room of a label. */
export function ticks(start, end, width, zone, { steps, label_px: room }) {
  const longest = steps.at(-1), least = room * (end - start) / Math.max(width, 1);
  const step = steps.find((each) => each >= least) ?? longest * Math.ceil(least / longest);
  const made = [];
  // The tick before the first one may leave no room for it.
  for (let tick, at = start - Math.min(step, DAY); (tick = nextTick(at, step, zone)) <= end; at = tick + step / 2) {
    if (tick >= start) made.push([tick, step > longest ? clock(tick, zone).slice(0, 4) : tickLabel(tick, step, zone)]);
  }
  return made;
}

/** The first instant, from one on, that may have a tick: where the clock shows a multiple of the step, or a day begins. */
function nextTick(at, step, zone) {
  const ahead = offset(at, zone), same = (us) => offset(us, zone) === ahead, day = Math.max(step, DAY);
  const tick = Math.ceil((at + ahead) / step) * step - ahead;
  if (same(tick)) return tick;
  const change = SECOND * first(Math.floor(at / SECOND), Math.floor(tick / SECOND), (each) => same(each * SECOND));
  // Days, and multiples of them, have a tick even if their midnight is skipped.
  return Math.ceil((change + ahead) / day) * day <= change + offset(change, zone) ? change : nextTick(change, step, zone);
}

function tickLabel(at, step, zone) {
  const local = clock(at, zone), day = local.slice(0, 10);
  if (step >= DAY || (at && clock(at - 1000, zone).slice(0, 10) < day)) return `${+day.slice(8)} ${MONTHS[day.slice(5, 7) - 1]}`;
  return local.slice(11, step < SECOND ? 23 : step < MINUTE ? 19 : 16);
}

/** An instant in full, with the offset from UTC. */
export function stamp(at, zone) {
  const local = clock(at, zone), minutes = Math.round(offset(at, zone) / MINUTE), size = Math.abs(minutes);
  return `${local.slice(0, 10)} ${local.slice(11, 23)} ${minutes < 0 ? "-" : "+"}${twoDigits(Math.floor(size / 60))}:${twoDigits(size % 60)}`;
}

/** A duration for people. */
export function duration(us) {
  if (us < SECOND) return `${Math.round(us / 1000)} ms`;
  if (us < MINUTE) return `${(us / SECOND).toFixed(2)} s`;
  const seconds = Math.round(us / SECOND);
  const s = twoDigits(seconds % 60), m = Math.floor(seconds / 60);
  if (us < HOUR) return `${m}:${s} min`;
  if (us < DAY) return `${Math.floor(m / 60)}:${twoDigits(m % 60)}:${s} h`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor(seconds / 3600) % 24} h`;
}

/** Groups of marks that would overlap: calls add(first, one past last) for each group. */
export function clusters(count, xOf, add, { near_px: near, widest_px: widest }) {
  let first = 0, size = 0, begin = 0, last = 0;
  for (let each = 0; each < count; each++) {
    const x = xOf(each);
    const half = size === 1 ? near / 2 : 1.5 * near;
    const apart = x - last >= near && x - (begin + last) / 2 >= half + near / 2;
    if (size === 0 || apart || x - begin > widest) {
      if (size) add(first, each);
      first = each; begin = x; size = 0;
    }
    last = x; size++;
  }
  if (size) add(first, count);
}

/** The first whole number from low to high that is not before what is looked for. */
function first(low, high, before) {
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (before(middle)) low = middle + 1; else high = middle;
  }
  return low;
}

/** First index of a sorted list whose value is not smaller. */
export const lowerBound = (values, value) => first(0, values.length, (place) => values[place] < value);

/** The position of an instant of a view, which is so wide and begins at left. [px] */
export const position = (at, [from, to], left, width) => left + ((at - from) / (to - from)) * width;

/** The instant that stands there. */
export const instant = (x, [from, to], left, width) => from + ((x - left) / width) * (to - from);

/** A view zoomed around an instant; it stays within the whole, and is never shorter than a millisecond. */
export function zoomed([from, to], factor, around, whole) {
  const size = Math.min(Math.max((to - from) * factor, 1000), whole[1] - whole[0]);
  const start = around - ((around - from) / (to - from)) * size;
  return within([start, start + size], whole);
}

/** A view moved, and shortened where need be, until it lies within the whole. */
export function within([from, to], [first, last]) {
  const size = Math.min(to - from, last - first);
  const start = Math.min(Math.max(from, first), last - size);
  return [start, start + size];
}

/** A view with a margin on both sides. */
export function padded([from, to]) { const margin = (to - from) * 0.015; return [from - margin, to + margin]; }

/** Per line, its bands and its marks in the order of time. */
export function itemsByLine({ items: { line, mark }, lines }) {
  const byLine = lines.map(() => ({ bands: [], marks: [] }));
  line.forEach((number, item) => { if (number >= 0) byLine[number][mark[item] ? "marks" : "bands"].push(item); });
  return byLine;
}

/** The items that pass a search and whose kind is not hidden, in the order of the table. */
export function matching({ items, words, whats, lanes }, search, hidden) {
  const query = search.toLowerCase(), has = (text) => text.toLowerCase().includes(query);
  const texts = query && words.map(has), names = query && lanes.map((lane) => has(lane.name));
  const passes = (item) => !hidden.has(whats[items.what[item]])
    && (!query || texts[items.text[item]] || texts[items.type[item]] || names[items.lane[item]]);
  return items.line.map((_, item) => item).filter(passes);
}

/** What is drawn of each line, with the sorted instants that say which of it a view shows. */
export function visibleLines(byLine, { items: { start, lasts } }, shown) {
  const visible = new Set(shown), starts = (list) => Float64Array.from(list, (item) => start[item]);
  return byLine.map((line) => {
    const marks = line.marks.filter((item) => visible.has(item)), bands = line.bands.filter((item) => visible.has(item));
    let last = -Infinity;
    const bandEnds = Float64Array.from(bands, (item) => (last = Math.max(last, start[item] + lasts[item])));
    return { marks, markTimes: starts(marks), bands, bandStarts: starts(bands), bandEnds };
  });
}

/** How many marks there are in each part of the whole time. */
export function overviewCounts({ items: { line, mark, start } }, [from, to]) {
  const counts = new Uint32Array(OVERVIEW_BINS);
  line.forEach((number, item) => {
    if (mark[item] && number >= 0) counts[Math.min(OVERVIEW_BINS - 1, Math.floor((start[item] - from) / (to - from) * OVERVIEW_BINS))]++;
  });
  return counts;
}

/** The event of the next lane in a direction that is nearest in time to an item; -1 where there is none. */
export function nextLane({ items, lanes }, shown, from, by) {
  for (let lane = items.lane[from] + by; lane >= 0 && lane < lanes.length; lane += by) {
    let best = -1;
    for (const item of shown) {
      if (items.lane[item] === lane && items.line[item] >= 0 && (best < 0 ||
        Math.abs(items.start[item] - items.start[from]) < Math.abs(items.start[best] - items.start[from]))) best = item;
    }
    if (best >= 0) return best;
  }
  return -1;
}

/** The payload: JSON, compressed, as base64. */
export async function unpack(text) {
  const raw = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}
