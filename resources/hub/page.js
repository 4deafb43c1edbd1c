"use strict";
const byId = (id) => document.getElementById(id);
const LABELS = ["teal", "blue", "violet", "gold", "rose", "lime", "orange", "red"];
const STATES = { here: ["●", "green"], away: ["○", "mute"], lost: ["▲", "red"], unknown: ["·", "mute"] };
const MOST_ROWS = 60, MINUTES = 10, BUCKETS = 60, SAMPLES = 200;
const state = { events: [], arrivals: [], delays: [], labels: [], held: false, token: "" };

// The token may come behind "#": that part of an address never leaves the browser.
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) { sessionStorage.setItem("token", given); history.replaceState(null, "", location.pathname); }
state.token = sessionStorage.getItem("token") || "";

const ask = (path) => fetch(path, { headers: { Authorization: `Bearer ${state.token}` }, cache: "no-store" });

function cell(row, text, className) {
  const made = row.insertCell();
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function chip(mark, word, token) {
  byId("state").textContent = `${mark} ${word}`;
  byId("state").style.color = `var(--${token})`;
}

function colour(label) {
  if (!state.labels.includes(label)) state.labels.push(label);
  return `var(--${LABELS[state.labels.indexOf(label) % LABELS.length]})`;
}

function heard(event, isLive) {
  const label = event.body.label;
  if (typeof label !== "string") return;
  const at = Date.parse(event.received || new Date().toISOString());
  state.arrivals.push([at, label]);
  state.delays.push(Math.max(0, (isLive ? Date.now() : at) - Date.parse(event.time)));
  if (state.delays.length > SAMPLES) state.delays.shift();
  state.events.unshift({ ...event, isLive });
  state.events.length = Math.min(state.events.length, MOST_ROWS);
}

function showEvents() {
  const wanted = byId("filter").value.trim().toLowerCase();
  const found = state.events.filter((e) => `${e.device} ${e.body.label}`.toLowerCase().includes(wanted));
  const rows = found.map((event) => {
    const row = document.createElement("tr");
    if (event.isLive) row.className = "fresh";
    event.isLive = false;
    cell(row, new Date(event.time).toLocaleTimeString([], { hour12: false }), "n k");
    cell(row, event.device);
    cell(row, event.body.label).style.color = colour(event.body.label);
    const score = Number(event.body.score), place = cell(row, "", "n k");
    if (Number.isFinite(score)) {
      const bar = document.createElement("span"), fill = document.createElement("i");
      bar.className = "score";
      fill.style.width = `${100 * Math.min(1, Math.max(0, score))}%`;
      bar.append(fill);
      place.append(bar, score.toFixed(2));
    }
    return row;
  });
  byId("events").replaceChildren(...rows);
  byId("silence").hidden = rows.length > 0;
  byId("shown").textContent = wanted ? `${rows.length} of ${state.events.length}` : "";
}

function showChart() {
  const now = Date.now(), span = MINUTES * 60000, wide = 600 / BUCKETS;
  state.arrivals = state.arrivals.filter(([at]) => at > now - span);
  const stacks = Array.from({ length: BUCKETS }, () => new Map());
  for (const [at, label] of state.arrivals) {
    const stack = stacks[Math.min(BUCKETS - 1, Math.max(0, BUCKETS - 1 - Math.floor(((now - at) / span) * BUCKETS)))];
    stack.set(label, (stack.get(label) || 0) + 1);
  }
  const most = Math.max(1, ...stacks.map((stack) => [...stack.values()].reduce((sum, n) => sum + n, 0)));
  byId("most").textContent = state.arrivals.length ? `; the highest bar is ${most} in ${span / BUCKETS / 1000} s` : "";
  const bars = stacks.flatMap((stack, index) => {
    let top = 96;
    return [...stack].sort(([a], [b]) => a.localeCompare(b)).map(([label, count]) => {
      const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect"), high = (count / most) * 92;
      top -= high;
      for (const [name, value] of Object.entries({ x: index * wide + 1, y: top, width: wide - 2, height: high })) bar.setAttribute(name, value);
      bar.style.fill = colour(label);
      return bar;
    });
  });
  byId("chart").replaceChildren(...bars);
  const labels = [...new Set(state.arrivals.map(([, label]) => label))].sort();
  byId("legend").replaceChildren(...labels.map((label) => {
    const made = document.createElement("span"), mark = document.createElement("i");
    mark.style.background = colour(label);
    made.append(mark, label);
    return made;
  }));
  byId("rate").textContent = state.arrivals.filter(([at]) => at > now - 60000).length;
  const delays = [...state.delays].sort((a, b) => a - b);
  byId("delay").textContent = delays.length ? `${Math.round(delays[delays.length >> 1])} ms` : "–";
}

function showDevices(devices) {
  byId("devices").replaceChildren(...devices.map((device) => {
    const row = document.createElement("tr"), [mark, token] = STATES[device.state];
    cell(row, device.device);
    cell(row, `${mark} ${device.state}`, "k").style.color = `var(--${token})`;
    cell(row, device.events.toLocaleString(), "r n");
    cell(row, device.latest ? `${device.latest.body.label ?? "–"}` : "–");
    return row;
  }));
  byId("nobody").hidden = devices.length > 0;
  byId("here").textContent = `${devices.filter((d) => d.state === "here").length} of ${devices.length}`;
}

async function refresh() {
  const [devices, status] = await Promise.all([ask("/api/devices"), ask("/api/status")]);
  if (!devices.ok || !status.ok) return;
  showDevices(await devices.json());
  const found = await status.json();
  byId("stored").textContent = found.tally.stored.toLocaleString();
  byId("where").textContent = found.broker;
  if (!found.is_connected) chip("▲", "no broker", "red");
  else chip("●", "live", "green");
}

async function follow() {
  const answer = await ask("/api/live");
  if (!answer.ok) throw new Error(answer.status);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const parts = rest.split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const kind = /^event: (.*)$/m.exec(part), data = /^data: (.*)$/m.exec(part);
      if (kind && data && kind[1] === "event") heard(JSON.parse(data[1]), true);
    }
    if (!state.held) showEvents();
  }
}

async function open() {
  const answer = await ask("/api/events?kind=result&limit=1000").catch(() => null);
  const isIn = answer !== null && answer.ok;
  byId("login").hidden = isIn;
  byId("board").hidden = !isIn;
  if (!isIn) {
    chip("○", "locked", "mute");
    byId("wrong").textContent = state.token ? "The hub does not know this token." : "";
    byId("word").focus();
    return;
  }
  for (const row of (await answer.json()).reverse()) heard(row, false);
  showEvents();
  showChart();
  await refresh();
  setInterval(refresh, 2000);
  setInterval(showChart, 1000);
  for (;;) {
    await follow().catch(() => null);
    chip("▲", "the hub is gone", "red");
    await new Promise((done) => setTimeout(done, 1000));
  }
}

byId("login").addEventListener("submit", (event) => {
  event.preventDefault();
  state.token = byId("word").value.trim();
  sessionStorage.setItem("token", state.token);
  open();
});
byId("filter").addEventListener("input", showEvents);
byId("hold").addEventListener("click", () => {
  state.held = !state.held;
  byId("hold").setAttribute("aria-pressed", state.held);
  if (!state.held) showEvents();
});
open();
