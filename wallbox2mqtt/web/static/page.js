// The status page: what `events` tells is kept in `bridge`, and drawn into the elements of index.html.
// Text from outside goes into textContent only. Times are seconds since 1970 by the bridge's clock.
"use strict";

const $ = (id) => document.getElementById(id);

const SILENT_S = 40; // the server says something every 15 s
const RETRY_S = [2, 5, 10, 30];
const DAY_S = 86400;
const SHORTEST_PLOT_S = 1800;
const STRIP_S = 600;
const FEW = 8; // so many chargers are shown with all their values
const LOG_LINES = 50;
const REREAD_S = 300; // how often a plot is asked for anew; between, it grows by what comes in

// ---- what is known ----

const bridge = { fields: {}, status: {}, budget: null, chargers: new Map(), commands: [], log: [], skew: 0, known: false };

const now = () => Date.now() / 1000 + bridge.skew;

function takeAll(document) {
  bridge.fields = document.fields;
  bridge.version = document.version;
  bridge.started = document.started;
  bridge.chargers = new Map(document.chargers.map((charger) => [charger.id, charger]));
  bridge.log = document.log;
  takeParts(document);
  bridge.known = true;
}

function takeChange(change) {
  for (const charger of change.chargers ?? []) bridge.chargers.set(charger.id, charger);
  for (const id of change.gone ?? []) bridge.chargers.delete(id);
  bridge.log = bridge.log.concat(change.log ?? []).slice(-LOG_LINES);
  takeParts(change);
}

function takeParts(part) {
  bridge.skew = part.now - Date.now() / 1000;
  bridge.status = part.bridge ?? bridge.status;
  bridge.budget = part.budget ?? bridge.budget;
  bridge.commands = part.commands ?? bridge.commands;
}

// ---- elements ----

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function show(element, text) {
  put(element, text);
  element.classList.toggle("shown", text !== "");
}

function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

function drawn(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function row(...cells) {
  const element = make("tr");
  element.append(...cells);
  return element;
}

function cell(text, className = "", note = "") {
  const element = make("td", className, text);
  if (note) element.append(make("span", "note", note));
  return element;
}

function heading(text) {
  const element = make("th", "", text);
  element.scope = "row";
  return element;
}

/** A cell with a bar as long as `part` (0 to 1) and the figure beside it in words. */
function barCell(part, text) {
  const element = cell(text, "wide");
  const bar = make("span", "bar");
  const filled = make("span");
  filled.style.width = `${Math.round(100 * Math.max(0, Math.min(1, part)))}%`;
  bar.append(filled);
  element.append(bar);
  return element;
}

/** Draws [name, value, note] as the pairs of a list, and leaves alone what has not changed. */
function putFacts(list, facts) {
  while (list.children.length > facts.length) list.lastChild.remove();
  facts.forEach(([name, value, note], index) => {
    if (!list.children[index]) {
      const pair = make("div");
      pair.append(make("dt"), make("dd"));
      pair.lastChild.append(make("span"), make("span", "note"));
      list.append(pair);
    }
    const [term, told] = list.children[index].children;
    put(term, name);
    put(told.firstChild, value);
    put(told.lastChild, note ?? "");
  });
}

// ---- words and figures ----

const numbers = new Map();

function number(value, digits = 2) {
  if (!numbers.has(digits)) {
    numbers.set(digits, new Intl.NumberFormat(undefined, { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  }
  return numbers.get(digits).format(value);
}

const kwh = (value) => (typeof value === "number" ? `${number(value)} kWh` : "–");

function money(value, currency) {
  if (typeof value !== "number") return "–";
  try {
    return new Intl.NumberFormat(undefined, { style: "currency", currency }).format(value);
  } catch {
    return `${number(value)} ${currency ?? ""}`.trim(); // not the name of a currency
  }
}

function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 2880) return `${Math.floor(minutes / 60)} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
  return `${Math.floor(minutes / 1440)} days`;
}

function age(time) {
  const seconds = Math.max(0, now() - time);
  if (seconds >= 3600 && seconds < 2 * DAY_S) return `${Math.floor(seconds / 3600)} h ago`;
  return `${duration(seconds)} ago`;
}

const until = (time) => (time - now() < 1 ? "now" : `in ${duration(time - now())}`);

const DATES = {
  clock: new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }),
  minute: new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
  day: new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
  date: new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" }),
};

function moment(time) {
  const far = Math.abs(now() - time) > DAY_S / 2;
  return DATES[far ? "day" : "clock"].format(new Date(time * 1000));
}

const plain = (word) => String(word).replaceAll("_", " ");

function words(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "object") return JSON.stringify(value);
  return plain(value);
}

/** A field's value in words, by what the catalogue says of it. */
function told(key, value, charger) {
  const field = bridge.fields[key] ?? {};
  if (field.kind === "lock" && value !== null) return value ? "Locked" : "Unlocked";
  if (field.kind === "firmware") return firmware(value);
  if (field.kind === "duration" && typeof value === "number") return duration(value);
  if (typeof value === "number" && field.unit === "{currency}") return money(value, charger.currency);
  if (typeof value === "number") {
    const unit = (field.unit ?? "").replace("{currency}", charger.currency ?? "");
    const digits = field.precision ?? (Number.isInteger(value) ? 0 : 2);
    return `${number(value, Math.abs(value) < 1000 ? digits : Math.min(digits, 1))} ${unit}`.trim();
  }
  if (typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value)) return moment(Date.parse(value) / 1000);
  return words(value);
}

/** The version, and the newer one if there is one, of the JSON that Home Assistant's entity takes. */
function firmware(value) {
  try {
    const { installed_version: installed, latest_version: latest } = JSON.parse(value);
    return latest && latest !== installed ? `${words(installed)} (${latest} is out)` : words(installed);
  } catch {
    return words(value);
  }
}

function fieldName(key) {
  return bridge.fields[key]?.name ?? plain(key.replaceAll("/", " "));
}

// ---- chargers ----

// Begin of the status text: [kind of the card, group of the filter, icon]
const KINDS = [
  ["Charging", "charging", "charging", "bolt"],
  ["Discharging", "charging", "charging", "home"],
  ["Ready", "ready", "ready", "ready"],
  ["Completed", "ready", "ready", "ready"],
  ["Locked - Car", "waiting", "waiting", "lock"],
  ["Locked", "quiet", "ready", "lock"],
  ["Scheduled", "waiting", "waiting", "clock"],
  ["Paused", "waiting", "waiting", "pause"],
  ["Waiting MID", "trouble", "trouble", "alert"],
  ["Waiting", "waiting", "waiting", "plug"],
  ["Updating", "waiting", "waiting", "clock"],
  ["Error", "trouble", "trouble", "alert"],
];
const OFFLINE = ["Offline", "quiet", "trouble", "cloud"];
const UNKNOWN = ["Not known", "quiet", "trouble", "question"];

function kindOf(charger) {
  if (charger.availability === "offline") return OFFLINE;
  const found = KINDS.find(([begin]) => (charger.status ?? "").startsWith(begin));
  return found ?? (charger.status === "Disconnected" ? OFFLINE : UNKNOWN);
}

function stateOf(charger) {
  return charger.availability === "offline" ? "Offline" : charger.status ?? "Not known yet";
}

function whyOf(charger) {
  const was = charger.availability === "offline" && kindOf({ ...charger, availability: null }) !== OFFLINE ? charger.status : null;
  return [charger.why, was && `last seen: ${was}`].filter(Boolean).join("; ");
}

// What a card shows: name, and the first of these fields that the charger has; those of RARE only where they are known
const VALUES = [
  ["Session", ["added_energy", "session/energy"]],
  ["Cost", ["cost", "session/cost"]],
  ["Cost by tariff", ["session/cost_real"]],
  ["Time", ["charging_time", "session/duration"]],
  ["Limit", ["max_charging_current"]],
  ["Lock", ["locked"]],
  ["Car's battery", ["state_of_charge"]],
  ["Eco-Smart", ["eco_smart"]],
  ["Total", ["energy_total"]],
];

const RARE = new Set(["state_of_charge", "session/cost_real"]);

class Card {
  constructor(charger) {
    this.element = $("card").content.firstElementChild.cloneNode(true);
    const part = (selector) => this.element.querySelector(selector);
    this.parts = Object.fromEntries(
      ["card-name", "card-id", "state-text", "power-value", "power-unit", "power .age", "why", "problem", "more", "values", "all", "plot-area", "plot-text", "plot-at"]
        .map((name) => [name, part(`.${name}`)]),
    );
    this.use = part("use");
    this.table = part(".all tbody");
    this.ages = []; // [element, time]
    this.seen = this.open = false;
    this.plot = null;
    this.history = null;
    this.readAt = -Infinity;
    const id = `charger-${charger.id}`;
    this.parts["card-name"].id = id;
    this.element.setAttribute("aria-labelledby", id);
    this.parts.more.addEventListener("click", () => this.unfold(!this.open));
    this.parts.all.addEventListener("toggle", () => this.update(this.charger));
    this.element.querySelector(".all summary").setAttribute("aria-describedby", id);
    this.parts.more.setAttribute("aria-describedby", id);
    this.update(charger);
    cardOf.set(this.element, this);
    watcher.observe(this.element);
  }

  update(charger) {
    this.charger = charger;
    const parts = this.parts;
    const [, kind, group, icon] = kindOf(charger);
    this.group = group;
    this.element.dataset.kind = kind;
    if (this.icon !== icon) this.use.setAttribute("href", `#icon-${(this.icon = icon)}`);
    put(parts["card-name"], charger.name ?? `Charger ${charger.id}`);
    put(parts["card-id"], [charger.model, charger.id].filter(Boolean).join(" · "));
    put(parts["state-text"], stateOf(charger));
    this.search = `${charger.name} ${charger.id} ${charger.model} ${stateOf(charger)}`.toLowerCase();
    const [power, time] = charger.fields.charging_power ?? [null, null];
    put(parts["power-value"], typeof power === "number" ? number(power) : "–");
    show(parts.problem, charger.last_problem ?? "");
    put(parts.why, whyOf(charger));
    this.ages = [[parts["power .age"], time ?? charger.read]];
    if (this.shown()) this.updateBody();
    this.tick();
  }

  /** Whether the lower part is to be seen; what nobody sees is not drawn. */
  shown() {
    return this.seen && (this.open || roomy());
  }

  updateBody() {
    const charger = this.charger;
    const facts = [];
    for (const [name, keys] of VALUES) {
      const key = keys.find((one) => charger.fields[one]);
      if (key && (charger.fields[key][0] !== null || !RARE.has(key))) facts.push([name, told(key, charger.fields[key][0], charger), charger.fields[key][1]]);
    }
    putFacts(this.parts.values, facts.map(([name, value]) => [name, value]));
    facts.forEach(([, , time], index) => {
      const element = this.parts.values.children[index].lastChild.lastChild;
      element.className = "age";
      this.ages.push([element, time]);
    });
    if (this.parts.all.open) this.updateTable();
    this.extendPlot();
  }

  updateTable() {
    const fields = Object.entries(this.charger.fields);
    while (this.table.rows.length > fields.length) this.table.lastChild.remove();
    fields.forEach(([key, [present, time]], index) => {
      if (!this.table.rows[index]) this.table.append(row(heading(""), cell(""), cell("", "number note")));
      const [name, value, when] = this.table.rows[index].cells;
      put(name, fieldName(key));
      put(value, told(key, present, this.charger));
      this.ages.push([when, time]);
    });
  }

  tick() {
    for (const [element, time] of this.ages) put(element, time === null ? "" : age(time));
  }

  unfold(open) {
    this.open = open;
    this.element.classList.toggle("open", open);
    this.parts.more.setAttribute("aria-expanded", String(open));
    this.revealed();
  }

  /** Draws what has just come into view. */
  revealed() {
    if (!this.shown()) return;
    this.update(this.charger);
    if (now() - this.readAt > REREAD_S) this.readHistory();
  }

  async readHistory() {
    this.readAt = now();
    const history = await historyOf(this.charger.id);
    if (!history || history === this.history) return;
    this.history = history;
    if (this.shown()) this.extendPlot();
  }

  /** Adds the present minute to the plot's values. */
  extendPlot() {
    const { history, charger } = this;
    if (!history) return;
    history.start ??= now(); // nothing is recorded yet
    const minute = Math.floor((now() - history.start) / history.step_s);
    for (const [name, key] of [["power", "charging_power"], ["energy", "added_energy"]]) {
      while (history[name].length < minute) history[name].push(history[name].at(-1) ?? null);
      const value = charger.fields[key]?.[0];
      if (minute >= 0 && charger.availability !== "offline") history[name][minute] = typeof value === "number" ? value : null;
    }
    this.drawPlot();
  }

  drawPlot() {
    const { history } = this;
    const known = history.power.findIndex((value) => value !== null);
    const end = now();
    const begin = known < 0 ? end - SHORTEST_PLOT_S : history.start + known * history.step_s;
    this.range = [Math.max(end - DAY_S, Math.min(begin, end - SHORTEST_PLOT_S)), end];
    const times = history.power.map((_, index) => history.start + index * history.step_s);
    const data = [times, history.power, history.energy];
    const most = history.power.reduce((top, value) => Math.max(top, Math.abs(value ?? 0)), 0);
    put(this.parts["plot-text"], `Last ${duration(end - this.range[0])}: ${kwh(gained(history.energy))}, at most ${number(most)} kW`);
    if (this.plot) this.plot.setData(data);
    else this.plot = new uPlot(this.plotOptions(), data, this.parts["plot-area"]);
  }

  plotOptions() {
    const colour = colours();
    const axis = { stroke: colour.muted, font: `11px ${getComputedStyle(document.body).fontFamily}`, ticks: { show: false } };
    const values = (_, ticks) => ticks.map((tick) => number(tick, Number.isInteger(tick) ? 0 : 1));
    return {
      width: this.parts["plot-area"].clientWidth,
      height: 150,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { x: { range: () => this.range }, kW: { range: fromZero(1) }, kWh: { range: fromZero(1) } },
      series: [
        {},
        { scale: "kW", stroke: colour.accent, width: 1.8, fill: colour.soft },
        { scale: "kWh", stroke: colour.calm, width: 1.5, dash: [5, 3] },
      ],
      axes: [
        { ...axis, size: 24, grid: { show: false }, space: 70, values: (_, ticks) => ticks.map((tick) => DATES.minute.format(new Date(tick * 1000))) },
        { ...axis, scale: "kW", size: 34, space: 34, values, grid: { stroke: colour.line, width: 1 }, label: "kW", labelSize: 14, labelGap: 0, labelFont: axis.font },
        { ...axis, scale: "kWh", side: 1, size: 34, space: 34, values, grid: { show: false }, label: "kWh, dashed", labelSize: 14, labelGap: 0, labelFont: axis.font },
      ],
      hooks: { setCursor: [(plot) => this.point(plot.cursor.idx)] },
    };
  }

  /** Tells in words what the pointer is at. */
  point(index) {
    const power = this.history.power[index] ?? null;
    const at = DATES.minute.format(new Date((this.history.start + index * this.history.step_s) * 1000));
    put(this.parts["plot-at"], power === null ? "" : `${at}: ${number(power)} kW, ${kwh(this.history.energy[index])}`);
  }

  dropPlot() {
    this.plot?.destroy();
    this.plot = null;
  }

  remove() {
    watcher.unobserve(this.element);
    this.dropPlot();
    this.element.remove();
  }
}

const fromZero = (least) => (_, low, high) => [Math.min(0, low ?? 0) * 1.1, Math.max(least, (high ?? 0) * 1.1)];

/** The sum of what an energy grew by. */
function gained(energies) {
  let sum = 0;
  let last = null;
  for (const energy of energies) {
    if (energy !== null && last !== null) sum += energy >= last ? energy - last : energy;
    last = energy ?? last;
  }
  return sum;
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  return { accent: colour("accent"), soft: colour("accent-soft"), calm: colour("calm"), muted: colour("muted"), line: colour("line") };
}

const cards = new Map();
const cardOf = new WeakMap(); // by element
const roomy = () => cards.size <= FEW;

const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const card = cardOf.get(target);
    card.seen = isIntersecting;
    if (isIntersecting) card.revealed();
    else card.dropPlot();
  }
}, { rootMargin: "200px" });

function drawChargers() {
  for (const [id, card] of cards) {
    if (!bridge.chargers.has(id)) {
      card.remove();
      cards.delete(id);
    }
  }
  const list = $("cards");
  [...bridge.chargers.keys()].sort((one, other) => one - other).forEach((id, place) => {
    const charger = bridge.chargers.get(id);
    if (!cards.has(id)) cards.set(id, new Card(charger));
    const card = cards.get(id);
    if (card.charger !== charger) card.update(charger);
    if (list.children[place] !== card.element) list.insertBefore(card.element, list.children[place] ?? null);
  });
  list.classList.toggle("roomy", roomy());
  list.classList.toggle("many", !roomy());
  list.classList.toggle("few", cards.size > 0 && cards.size < 3);
  $("finder").hidden = roomy();
  $("chargers-empty").hidden = cards.size > 0;
  put($("chargers-empty"), bridge.status.cloud_reason === "no_chargers"
    ? "The account has no chargers. Add one in the Wallbox app; it appears here by itself."
    : "No chargers yet: the list is read first, as soon as the cloud answers.");
  drawSummary();
  filterCards();
}

function drawSummary() {
  const all = [...cards.values()];
  const count = (group) => all.filter((card) => card.group === group).length;
  const power = all.reduce((sum, card) => sum + (card.charger.fields.charging_power?.[0] ?? 0), 0);
  const said = [`${all.length} ${all.length === 1 ? "charger" : "chargers"}`];
  for (const [group, word] of [["charging", "charging"], ["waiting", "waiting"], ["trouble", "out of touch or in trouble"]]) {
    if (count(group)) said.push(`${count(group)} ${word}`);
  }
  put($("chargers-summary"), all.length ? `${said.join(", ")} · ${number(power)} kW` : "");
  for (const button of document.querySelectorAll("[data-group]")) {
    put(button.firstElementChild, String(button.dataset.group === "all" ? all.length : count(button.dataset.group)));
  }
}

const filter = { text: "", group: "all" };

function filterCards() {
  let count = 0;
  for (const card of cards.values()) {
    const fits = roomy() || ((filter.group === "all" || card.group === filter.group) && card.search.includes(filter.text));
    card.element.hidden = !fits;
    count += fits;
  }
  const everything = filter.text === "" && filter.group === "all";
  put($("filter-count"), everything ? "" : `${count} of ${cards.size} shown`);
}

function setUpFilter() {
  $("filter").addEventListener("input", (event) => {
    filter.text = event.target.value.trim().toLowerCase();
    filterCards();
  });
  const buttons = document.querySelectorAll("[data-group]");
  for (const button of buttons) {
    button.addEventListener("click", () => {
      filter.group = button.dataset.group;
      for (const one of buttons) one.setAttribute("aria-pressed", String(one === button));
      filterCards();
    });
  }
}

// ---- budget ----

const LANES = { read: 20, sign_in: 20, write: 52 };
const strip = { left: 44, future: 0.08 };

function drawBudget() {
  const budget = bridge.budget;
  if (!budget) return;
  const { requests } = budget;
  const failed = requests.filter(([, , , outcome]) => outcome !== "ok").length;
  const count = (kind) => requests.filter(([, which]) => which === kind).length;
  const plural = (many, word) => `${many} ${word}${many === 1 ? "" : "s"}`;
  put($("strip-text"), `Last 10 minutes: ${plural(count("read"), "read")}, ${plural(count("write"), "write")}, ${failed || "none"} refused or failed`);
  drawStrip();
}

/** Draws the requests where their times are; `moveStrip` then only shifts them. */
function drawStrip() {
  const svg = $("strip");
  const width = svg.clientWidth || 600;
  const present = strip.left + (width - strip.left) * (1 - strip.future);
  const perSecond = (present - strip.left) / STRIP_S;
  const apart = (60 / bridge.budget.reads.per_minute) * perSecond;
  Object.assign(strip, { present, perSecond, origin: now(), wide: Math.max(1, Math.min(4, apart * 0.6)) });
  svg.setAttribute("viewBox", `0 0 ${width} 92`);
  const window_s = bridge.budget.reads.window_s;
  const still = drawn("g", {});
  still.append(drawn("rect", { class: "window", x: present - window_s * perSecond, y: 2, width: window_s * perSecond, height: 68, rx: 4 }));
  for (const [name, y] of [["reads", LANES.read], ["writes", LANES.write]]) {
    still.append(drawn("line", { class: "lane", x1: strip.left, x2: width, y1: y, y2: y }), label("lane-name", 0, y + 4, name));
  }
  for (let minutes = 0; minutes <= 10; minutes += width < 500 ? 5 : 2) {
    const text = label("tick-name", present - minutes * 60 * perSecond, 86, minutes ? `−${minutes} min` : "now");
    text.setAttribute("text-anchor", minutes === 10 ? "start" : "middle");
    still.append(text);
  }
  still.append(drawn("line", { class: "now-line", x1: present, x2: present, y1: 2, y2: 72 }));
  strip.moving = drawn("g", {});
  for (const request of bridge.budget.requests) strip.moving.append(mark(request));
  strip.next = drawn("rect", { class: "mark-next", y: LANES.read - 10, width: 6, height: 20, rx: 2 });
  const inner = drawn("svg", { x: strip.left, y: 0, width: width - strip.left, height: 92, viewBox: `${strip.left} 0 ${width - strip.left} 92` });
  inner.append(strip.moving, strip.next);
  svg.replaceChildren(still, inner);
  moveStrip();
}

function label(className, x, y, text) {
  const element = drawn("text", { class: className, x, y });
  element.textContent = text;
  return element;
}

function mark([time, budget, kind, outcome]) {
  const x = strip.present + (time - strip.origin) * strip.perSecond;
  const y = LANES[budget] ?? LANES.read;
  let element;
  if (outcome !== "ok") {
    element = drawn("path", { class: "mark-refused", d: `M${x - 4.5} ${y}l4.5 -7 4.5 7 -4.5 7z` });
  } else if (budget === "write") {
    element = drawn("circle", { class: "mark-write", cx: x, cy: y, r: 5 });
  } else {
    const { wide } = strip;
    element = drawn("rect", { class: `mark-${budget}`, x: x - wide / 2, y: y - 10, width: wide, height: 20, rx: wide / 2 });
  }
  const title = drawn("title", {});
  title.textContent = `${moment(time)}: ${kind}, ${outcome === "ok" ? "ok" : plain(outcome)}`;
  element.append(title);
  return element;
}

function moveStrip() {
  if (!strip.moving) return;
  strip.moving.setAttribute("transform", `translate(${((strip.origin - now()) * strip.perSecond).toFixed(1)} 0)`);
  const next = bridge.budget.next_read;
  const ahead = Math.max(0, (next ?? 0) - now()) * strip.perSecond;
  strip.next.setAttribute("x", (strip.present + ahead + 4).toFixed(1));
  strip.next.style.display = next === null ? "none" : "";
}

function tickBudget() {
  const budget = bridge.budget;
  if (!budget) return;
  const used = (name) => budget.requests.filter(([time, kind]) => `${kind}s` === name && time > now() - budget[name].window_s).length;
  const slots = (name) => `${used(name)} of ${number(budget[name].per_minute, Number.isInteger(budget[name].per_minute) ? 0 : 2)}`;
  const counts = (name) => `${budget[name].last_hour} in the last hour, ${budget[name].total} in all`;
  const pace = `${number(budget.reads.per_minute, 0)} a minute`;
  const tries = budget.next_try === null ? "" : `, tries more ${until(budget.next_try)}`;
  putFacts($("budget-facts"), [
    ["Next read", budget.next_read === null ? "when there is something to read" : until(budget.next_read), `one each ${duration(budget.interval_s)}`],
    ["Reads used", slots("reads"), counts("reads")],
    ["Writes used", slots("writes"), counts("writes")],
    ["Pace of reads", pace, budget.auto ? `found by auto${tries}` : "as configured"],
    ["Refused as too many", String(budget.refused), budget.last_refusal === null ? "none since the start" : `last ${age(budget.last_refusal)}`],
    ["Commands waiting", String(budget.waiting), budget.waiting ? "for the write budget, or for a reading" : ""],
  ]);
  const held = budget.backoff_until !== null && budget.backoff_until > now();
  put($("budget-summary"), held ? `The cloud refused a read: held back until ${moment(budget.backoff_until)}` : "What the cloud allows this account in any minute");
  moveStrip();
}

// ---- commands, history, bridge ----

const histories = new Map(); // promise by charger

/** A charger's last day, days and sessions; asked for once, until it is dropped here. */
function historyOf(id) {
  const kept = histories.get(id);
  if (kept && now() - kept.at < REREAD_S) return kept.promise;
  const promise = fetchJson(`api/history?charger=${encodeURIComponent(id)}`);
  histories.set(id, { at: now(), promise });
  return promise;
}

const VERDICTS = { ok: "good", superseded: "quiet" };

function nameOf(id) {
  return bridge.chargers.get(id)?.name ?? String(id ?? "–");
}

function drawCommands() {
  const rows = [...bridge.commands].reverse().map((command) => {
    const result = make("td");
    const verdict = make("span", "verdict", plain(command.status));
    verdict.dataset.kind = VERDICTS[command.status] ?? "bad";
    const took = command.took_ms ? `${number(command.took_ms, 0)} ms` : "";
    result.append(verdict, make("span", "note", [command.reason, took].filter(Boolean).join(" · ")));
    const charger = bridge.chargers.get(command.charger) ?? {};
    const wish = command.value === null ? "" : told(command.field, command.value, charger);
    return row(heading(moment(command.at)), cell(nameOf(command.charger)), cell(fieldName(command.field), "", wish), result);
  });
  $("commands-rows").replaceChildren(...rows);
  $("commands-table").hidden = rows.length === 0;
  $("commands-empty").hidden = rows.length > 0;
  const failed = bridge.commands.filter((command) => !(command.status in VERDICTS)).length;
  put($("commands-summary"), failed ? `${failed} of the last ${rows.length} without success` : "");
}

const ALL = "all";
const past = { chosen: ALL, signature: "", readAt: -Infinity };

/** Asks for the sessions when one has ended, when another charger is chosen, and now and then. */
async function readPast() {
  drawChoice();
  const chosen = past.chosen === ALL ? [...bridge.chargers.values()] : [bridge.chargers.get(Number(past.chosen))];
  const signature = past.chosen + chosen.map((charger) => [charger.id, ...MONTH_KEYS.map((key) => charger.fields[key]?.[0])]).join();
  if (signature === past.signature && now() - past.readAt < REREAD_S) return;
  if (signature !== past.signature) for (const charger of chosen) histories.delete(charger.id);
  Object.assign(past, { signature, readAt: now() });
  drawMonths(chosen);
  const found = past.chosen === ALL && !roomy() ? [] : await Promise.all(chosen.map((charger) => historyOf(charger.id)));
  if (signature === past.signature) drawPast(found.filter(Boolean));
}

/** Keeps the list of chargers to choose from. */
function drawChoice() {
  const select = $("history-charger");
  const ids = [...bridge.chargers.keys()].sort((one, other) => one - other);
  if (past.chosen !== ALL && !bridge.chargers.has(Number(past.chosen))) past.chosen = ALL;
  const options = [[ALL, "All chargers"], ...ids.map((id) => [String(id), nameOf(id)])];
  const same = options.length === select.length && options.every(([id, name], index) => select[index].value === id && select[index].text === name);
  if (!same) {
    select.replaceChildren(...options.map(([id, name]) => new Option(name, id)));
    select.value = past.chosen;
  }
  $("history-choice").hidden = ids.length < 2;
}

function drawPast(documents) {
  const sessions = documents.flatMap((found) => found.sessions.map((session) => ({ ...session, charger: found.charger })));
  sessions.sort((one, other) => other.start - one.start);
  const most = Math.max(...sessions.map((session) => session.energy), 0.001);
  fill("sessions", sessions.slice(0, 10).map((session) => {
    const began = heading(DATES.day.format(new Date(session.start * 1000)));
    began.append(make("span", "note", duration(session.end - session.start)));
    return row(began, cell(nameOf(session.charger)), barCell(session.energy / most, kwh(session.energy)), cell(money(session.cost, session.currency), "number"));
  }));
  put($("sessions-empty"), past.chosen === ALL && !roomy() ? "Choose a charger to see its sessions." : "No session is known yet.");
  drawDays(documents);
}

/** Draws a bar for each day; those of several chargers are added up. */
function drawDays(documents) {
  const days = new Map();
  for (const [day, energy] of documents.flatMap((found) => found.days)) days.set(day, (days.get(day) ?? 0) + energy);
  const names = lastDays(days);
  const most = Math.max(...days.values(), 0.001);
  const bars = names.map((day) => {
    const bar = make("span");
    bar.style.height = `${(100 * (days.get(day) ?? 0)) / most}%`;
    bar.title = `${DATES.date.format(new Date(day))}: ${kwh(days.get(day) ?? 0)}`;
    return bar;
  });
  $("days").hidden = bars.length === 0;
  $("days-bars").replaceChildren(...bars);
  const sum = [...days.values()].reduce((total, energy) => total + energy, 0);
  put($("days-text"), `Energy a day, last ${names.length} days: ${kwh(sum)}, at most ${kwh(most)} a day`);
}

/** The days from the first with energy to the last, without a gap. */
function lastDays(days) {
  const names = [...days.keys()].sort();
  const found = [];
  for (let at = Date.parse(names[0]); at <= Date.parse(names.at(-1)); at += DAY_S * 1000) found.push(new Date(at).toISOString().slice(0, 10));
  return found;
}

const MONTHS = [["history/this_month", "This month"], ["history/last_month", "Last month"]];
const MONTH_KEYS = ["last_session/end", ...MONTHS.flatMap(([key]) => [`${key}/energy`, `${key}/sessions`])];

function drawMonths(chosen) {
  const sum = (key) => chosen.reduce((total, charger) => total + (charger.fields[key]?.[0] ?? 0), 0);
  const known = chosen.some((charger) => typeof charger.fields["history/this_month/energy"]?.[0] === "number");
  const most = Math.max(...MONTHS.map(([key]) => sum(`${key}/energy`)), 0.001);
  fill("months", known ? MONTHS.map(([key, name]) => row(
    heading(name),
    barCell(sum(`${key}/energy`) / most, kwh(sum(`${key}/energy`))),
    cell(number(sum(`${key}/sessions`), 0), "number"),
    cell(costs(chosen, `${key}/cost`), "number wraps"),
  )) : []);
}

/** The sum of a cost, one for each currency. */
function costs(chosen, key) {
  const sums = new Map();
  for (const { fields, currency } of chosen) {
    if (typeof fields[key]?.[0] === "number") sums.set(currency, (sums.get(currency) ?? 0) + fields[key][0]);
  }
  return [...sums].map(([currency, sum]) => money(sum, currency)).join(" + ") || "–";
}

function fill(name, rows) {
  $(`${name}-rows`).replaceChildren(...rows);
  $(`${name}-table`).hidden = rows.length === 0;
  $(`${name}-empty`).hidden = rows.length > 0;
}

function link(id, state, text) {
  $(id).dataset.state = state;
  put($(id).querySelector(".link-text"), text);
}

function drawBridge() {
  const { status } = bridge;
  put($("version"), bridge.version ?? "");
  link("link-broker", status.broker === "online" ? "good" : "bad", status.broker === "online" ? "connected" : "not connected");
  const limited = status.cloud_reason === "rate_limited";
  const cloud = status.cloud === null ? "nothing read yet" : status.cloud_reason === "ok" ? "ok" : `${status.cloud}: ${plain(status.cloud_reason)}`;
  link("link-cloud", status.cloud === "offline" ? "bad" : limited || status.cloud === null ? "busy" : "good", cloud);
  show($("trouble"), status.health.problems.join(" · "));
  put($("bridge-summary"), status.health.state ?? "");
  const threads = Object.entries(status.threads ?? {}).map(([name, alive]) => {
    const verdict = make("span", "verdict", alive ? "alive" : "silent for too long");
    verdict.dataset.kind = alive ? "good" : "bad";
    const state = make("td");
    state.append(verdict);
    return row(heading(name), state);
  });
  $("threads-rows").replaceChildren(...threads);
  tickBridge();
}

function tickBridge() {
  const { status } = bridge;
  if (!bridge.known) return;
  const facts = [
    ["Broker", status.broker === "online" ? "Connected" : "Not connected", status.broker_where],
    ["Cloud", status.cloud === null ? "Nothing read yet" : status.cloud === "online" ? "Online" : "Offline", plain(status.cloud_reason ?? "")],
    ["Last good read", status.last_poll === null ? "None yet" : age(status.last_poll)],
    ["Runs for", duration(now() - bridge.started), `since ${moment(bridge.started)}`],
  ];
  if (typeof status.rss_mib === "number") facts.push(["Memory", `${number(status.rss_mib, 0)} MiB`]);
  if (typeof status.reconnects === "number") facts.push(["Reconnects to the broker", number(status.reconnects, 0)]);
  putFacts($("bridge-facts"), facts);
}

function drawLog() {
  const panel = $("log");
  const atEnd = panel.scrollHeight - panel.scrollTop - panel.clientHeight < 30;
  const lines = bridge.log.map(([time, level, logger, text]) => {
    const line = make("li");
    const word = make("span", "", level);
    word.dataset.level = level;
    line.append(make("time", "", moment(time)), " ", word, " ", make("span", "name", logger), ` ${text}`);
    return line;
  });
  $("log-lines").replaceChildren(...lines);
  $("log-empty").hidden = lines.length > 0;
  if (atEnd) panel.scrollTop = panel.scrollHeight;
  if (panel.scrollHeight > panel.clientHeight) panel.tabIndex = 0; // what scrolls must be reached by keyboard
  else panel.removeAttribute("tabindex");
}

// ---- drawing ----

const wanted = new Set();

/** Draws a part with the next frame, however often it is asked for until then. */
function want(...parts) {
  if (wanted.size === 0) requestAnimationFrame(draw);
  for (const part of parts) wanted.add(part);
}

const EVERYTHING = [drawBridge, drawChargers, drawBudget, drawCommands, drawLog];

function draw() {
  const parts = [...wanted];
  wanted.clear();
  for (const part of parts) part();
  tick();
}

function tick() {
  tickBudget();
  tickBridge();
  for (const card of cards.values()) {
    if (card.seen) card.tick();
    if (card.plot && now() - card.readAt > REREAD_S) card.readHistory();
  }
  const power = [...cards.values()].reduce((sum, card) => sum + (card.charger.fields.charging_power?.[0] ?? 0), 0);
  document.title = lostAt === null ? `${number(power, 1)} kW · wallbox2mqtt` : "Connection lost · wallbox2mqtt";
}

// ---- the connection ----

let source = null;
let lastEvent = 0; // by this machine's clock, seconds
let lostAt = null;
let retries = 0;
let timer = null;

async function fetchJson(address) {
  try {
    const answer = await fetch(address);
    return answer.ok ? await answer.json() : null;
  } catch {
    return null; // the connection's loss is told by `events`
  }
}

function connect() {
  clearTimeout(timer);
  source?.close();
  lastEvent = Date.now() / 1000;
  source = new EventSource("events");
  source.addEventListener("status", (event) => {
    takeAll(JSON.parse(event.data));
    heard();
    want(...EVERYTHING, readPast);
  });
  source.addEventListener("change", (event) => {
    const change = JSON.parse(event.data);
    takeChange(change);
    heard();
    if (change.bridge) want(drawBridge);
    if (change.chargers || change.gone) want(drawChargers, readPast);
    if (change.budget) want(drawBudget);
    if (change.commands) want(drawCommands);
    if (change.log) want(drawLog);
  });
  source.addEventListener("beat", (event) => {
    takeParts(JSON.parse(event.data));
    heard();
  });
  source.addEventListener("error", () => {
    lost();
    if (source.readyState === EventSource.CLOSED) retry();
  });
}

/** Tries again where the browser does not do so by itself: after an answer that was no stream. */
function retry() {
  const seconds = RETRY_S[Math.min(retries, RETRY_S.length - 1)];
  retries += 1;
  timer = setTimeout(connect, seconds * 1000);
}

function heard() {
  lastEvent = Date.now() / 1000;
  retries = 0;
  link("link-page", "good", "live");
  if (lostAt === null) return;
  lostAt = null;
  document.body.classList.remove("stale");
  show($("lost"), "");
  histories.clear();
  past.readAt = -Infinity;
  for (const card of cards.values()) card.readAt = -Infinity; // what the plots missed
}

function lost() {
  if (lostAt !== null) return;
  lostAt = Date.now() / 1000;
  const since = DATES.clock.format(new Date(lostAt * 1000));
  link("link-page", "bad", `no connection since ${since}`);
  show($("lost"), bridge.known
    ? `No connection to the bridge since ${since}. What you see is as old as it says; it is tried again by itself.`
    : `No connection to the bridge since ${since}. It is tried again by itself.`);
  document.body.classList.add("stale");
  tick();
}

function everySecond() {
  if (source && source.readyState !== EventSource.CLOSED && Date.now() / 1000 - lastEvent > SILENT_S) {
    lost();
    connect();
  }
  tick();
}

/** A page that nobody looks at asks for nothing. */
function pause() {
  clearTimeout(timer);
  source?.close();
  source = null;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) pause();
  else if (!source) connect();
});
addEventListener("pagehide", pause);
addEventListener("pageshow", (event) => {
  if (event.persisted) connect();
});
addEventListener("resize", () => {
  for (const card of cards.values()) card.plot?.setSize({ width: card.parts["plot-area"].clientWidth, height: 150 });
  if (bridge.budget) drawStrip();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const card of cards.values()) {
    card.dropPlot();
    card.revealed();
  }
});

function setUpChoice() {
  $("history-charger").addEventListener("change", (event) => {
    past.chosen = event.target.value;
    readPast();
  });
}

setUpFilter();
setUpChoice();
connect();
setInterval(everySecond, 1000);
