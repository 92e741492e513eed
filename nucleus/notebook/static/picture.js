// The living picture of a cluster, in a notebook's output.
//
// Python sends a frame some times a second: JSON text, described at `Scene.view` in scene.py.
// Each view of the model has a Stage of its own, which draws frames and knows nothing else:
//
//   1. the stage      what stands where, and how a frame is drawn
//   2. jobs           one box for each job, wherever it is, so that it can travel
//   3. workers        ring, name, slots
//   4. flights        a box that has moved flies from where it was
//   5. the menu       what can be done to a worker, also with the keyboard
//   6. asking         clicks are messages to Python, which answers each twice: heard, and done
//   7. signs of life  what is said when frames stop coming

const HEARD_WITHIN = 500; // ms in which Python says that it has heard a click
const QUIET = 4000; // ms without a frame until the page says so
const GONE = 10000; // ms without a frame until the page gives the kernel up
const FLIGHT = 350; // ms
const MAX_FLIGHTS = 40; // in one frame; more would only be a flicker
const COMPACT_ABOVE = 24; // workers; when there are more, cards are small and nothing flies
const MAX_PLACES = 8; // drawn on a card, as many as jobs that a frame has of a worker
const BOX = 50; // px that a job takes in a row, as in picture.css

const ACTIONS = {
  crash: "Crash: it dies without a word",
  pause: "Pause: freeze it",
  resume: "Resume: let it go on",
  partition: "Partition: cut its network",
  slow: "Slow: delay its network",
  heal: "Heal: repair its network",
};
const FAULTS = {
  crash: "crashed",
  freeze: "paused",
  partition: "cut off",
  mute: "mute",
  deaf: "deaf",
  slow: "slow",
};
const SIGNS = { completed: "✓", failed: "✗", cancelled: "–", front: "↻", suspect: "↻", delayed: "…" };
const MARKS = {
  front: "re-queued",
  suspect: "re-queued, may have taken its worker down",
  delayed: "waits for its time",
};

// ---- 1. the stage ---------------------------------------------------------------------------

function make(tag, className, parent, text = "") {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  parent?.append(node);
  return node;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const number = (value) => value.toLocaleString("en");
const count = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

class Stage {
  constructor(model, el) {
    this.model = model;
    this.id = Math.random().toString(36).slice(2); // randomUUID is for https only
    this.boxes = new Map(); // job id -> its box
    this.cards = new Map(); // worker name -> the parts of its card
    this.root = make("div", "np-root", el);
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-label", "Living picture of the cluster");
    // JupyterLab would take arrow keys and letters for its own.
    this.root.dataset.lmSuppressShortcuts = "true";
    this.root.addEventListener("keydown", (event) => event.stopPropagation());
    this.banner = make("p", "np-banner", this.root);
    this.banner.setAttribute("role", "alert");
    this.banner.hidden = true;
    this.asking = new Asking(this);
    this.menu = new Menu(this);
    this.buildControls();
    this.buildPlaces();
    this.life = new SignsOfLife(this);
  }

  buildControls() {
    const form = make("form", "np-controls", this.root);
    const types = this.model.get("job_types");
    this.jobType = make("select", "", form);
    for (const type of types) make("option", "", this.jobType, type.name);
    this.payload = make("input", "np-payload", form);
    this.repeat = make("input", "np-repeat", form);
    Object.assign(this.repeat, { type: "number", min: 1, max: 10000, value: 1 });
    for (const [node, label] of [
      [this.jobType, "Job type"],
      [this.payload, "Payload"],
      [this.repeat, "How many jobs"],
    ]) {
      node.setAttribute("aria-label", label);
      node.title = label;
    }
    const choose = () => {
      const type = types.find(({ name }) => name === this.jobType.value);
      this.payload.value = type.example;
      this.payload.title = `Payload: ${type.allowed}`;
    };
    if (types.some(({ name }) => name === "Sleep")) this.jobType.value = "Sleep";
    if (types.length) choose();
    this.jobType.addEventListener("change", choose);
    make("button", "", form, "Submit").type = "submit";
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.asking.ask({
        do: "submit",
        job_type: this.jobType.value,
        payload: this.payload.value,
        count: Number(this.repeat.value),
      });
    });
    if (this.model.get("can_break")) {
      const add = make("button", "", form, "Add a worker");
      add.type = "button";
      add.addEventListener("click", () => this.asking.ask({ do: "add" }));
    }
    this.answer = make("p", "np-answer", this.root);
    this.answer.setAttribute("role", "status");
  }

  buildPlaces() {
    const place = (name, title) => {
      const section = make("section", `np-${name}`, this.root);
      const heading = make("div", "np-heading", section);
      make("strong", "", heading, title);
      const words = make("span", "np-words", heading);
      const row = make("div", "np-row", section);
      section.setAttribute("aria-label", title);
      return { words, row };
    };
    this.queue = place("queue", "Queue");
    this.more = make("span", "np-more", this.queue.row);
    this.workers = place("workers", "Workers");
    this.ended = place("ended", "Ended");
    this.refused = place("refused", "Refused");
    this.news = make("ul", "np-news", this.root);
    this.news.setAttribute("aria-label", "What just happened");
    this.summary = make("p", "np-unseen", this.root);
    this.summary.setAttribute("role", "status");
    this.summary.setAttribute("aria-live", "polite");
  }

  draw(frame) {
    const compact = frame.workers.length > COMPACT_ABOVE;
    this.root.classList.toggle("np-compact", compact);
    this.lively = !compact && !calm() && !document.hidden && this.frame !== undefined;
    const before = this.lively ? this.measure() : new Map();
    this.frame = frame;
    this.drawWords(frame);
    this.drawWorkers(frame);
    const shown = new Set();
    const queued = frame.queue.slice(0, this.room);
    setText(this.more, this.moreThan(queued.length, frame.counts.queued));
    this.drawJobs(this.queue.row, queued, "queued", shown);
    this.queue.row.append(this.more);
    for (const worker of frame.workers) this.drawSlots(worker, compact, shown);
    this.drawJobs(this.ended.row, [...frame.ended].reverse().slice(0, this.room), "", shown);
    for (const [id, box] of this.boxes) {
      if (!shown.has(id) && this.boxes.delete(id)) box.remove();
    }
    this.drawRefused(frame);
    if (this.lively) this.fly(before);
    this.menu.refresh();
    this.life.sawFrame(frame);
  }

  // How many jobs fit beside each other, with room for "+1,000 more".
  get room() {
    return Math.max(4, Math.floor((this.queue.row.clientWidth - 100) / BOX));
  }

  moreThan(shown, all) {
    return all > shown ? `+${number(all - shown)} more` : "";
  }

  drawWords(frame) {
    const { counts } = frame;
    setText(this.queue.words, `${count(counts.queued, "job")} queued, the next one first`);
    const alive = frame.workers.filter((worker) => worker.state === "alive").length;
    const more = frame.more_workers ? `, ${number(frame.more_workers)} more are not shown` : "";
    setText(
      this.workers.words,
      `${number(alive)} alive${more} · ${count(counts.running, "job")} running or held`,
    );
    const unhappy = ["failed", "cancelled"].filter((status) => counts[status]);
    const ended = ["completed", ...unhappy].map((s) => `${number(counts[s])} ${s}`);
    const rate = `${number(frame.rate)} jobs/s`;
    setText(this.ended.words, `${ended.join(", ")} · ${rate} · ${number(counts.requeued)} re-queued`);
    const news = frame.news.map(({ text }) => text);
    if (news.join() !== this.told) {
      this.told = news.join();
      this.news.replaceChildren();
      for (const { text, kind } of [...frame.news].reverse()) {
        make("li", "", this.news, text).dataset.kind = kind;
      }
    }
  }

  drawRefused(frame) {
    const section = this.refused.row.parentElement;
    section.hidden = !frame.counts.refused;
    setText(this.refused.words, `${count(frame.counts.refused, "late result")}`);
    const key = frame.refused.map(({ id, at }) => id + at).join();
    if (key === this.refusedKey) return;
    this.refusedKey = key;
    this.refused.row.replaceChildren();
    for (const { what, worker, reason } of [...frame.refused].reverse()) {
      const text = `✗ ${worker}: ${what} (${reason.replaceAll("_", " ")})`;
      make("span", "np-refusal", this.refused.row, text);
    }
  }

  // ---- 2. jobs ------------------------------------------------------------------------------

  drawJobs(row, jobs, status, shown) {
    let next = row.firstElementChild;
    for (const job of jobs) {
      if (shown.has(job.id)) continue;
      shown.add(job.id);
      const box = this.boxes.get(job.id) ?? this.addBox(job.id);
      this.drawBox(box, job, job.status ?? status);
      if (box === next) next = next.nextElementSibling;
      else row.insertBefore(box, next);
    }
  }

  addBox(id) {
    const box = make("span", "np-job", null);
    box.setAttribute("role", "img");
    this.boxes.set(id, box);
    return box;
  }

  drawBox(box, job, status) {
    const key = `${status} ${job.mark} ${job.tries} ${job.what}`;
    if (box.dataset.key === key) return;
    Object.assign(box.dataset, { key, status, mark: job.mark });
    const inside = job.what.match(/\((.*)\)$/s)?.[1] ?? "";
    const label = inside && inside.length <= 4 ? inside : job.what.slice(0, 4);
    const sign = SIGNS[status] ?? SIGNS[job.mark] ?? "";
    setText(box, sign ? `${sign} ${label}` : label);
    const mark = MARKS[job.mark] ? `, ${MARKS[job.mark]}` : "";
    const words = `${job.what}, ${status}${mark}, attempt ${job.tries + 1}, job ${job.id}`;
    box.title = words;
    box.setAttribute("aria-label", words);
  }

  // ---- 3. workers ---------------------------------------------------------------------------

  drawWorkers(frame) {
    const names = new Set(frame.workers.map(({ name }) => name));
    for (const [name, card] of this.cards) {
      if (names.has(name)) continue;
      card.root.remove();
      this.cards.delete(name);
    }
    for (const worker of frame.workers) {
      if (!this.cards.has(worker.name)) this.cards.set(worker.name, this.addCard(worker.name));
      this.drawCard(this.cards.get(worker.name), worker, frame.worker_timeout);
    }
  }

  addCard(name) {
    const root = make("article", "np-worker", this.workers.row);
    const head = make("div", "np-worker-head", root);
    const ring = make("span", "np-ring", head);
    ring.innerHTML =
      '<svg viewBox="0 0 36 36" aria-hidden="true"><circle class="np-track" cx="18" cy="18" r="15.9"/>' +
      '<circle class="np-age" cx="18" cy="18" r="15.9" pathLength="100"/></svg>';
    ring.setAttribute("role", "img");
    const age = make("span", "np-age-text", ring);
    const names = make("span", "np-names", head);
    make("span", "np-name", names, name);
    const state = make("span", "np-state", names);
    let menu = null;
    if (this.model.get("can_break")) {
      menu = make("button", "np-menu-button", head, "⋮");
      menu.type = "button";
      menu.setAttribute("aria-haspopup", "menu");
      menu.setAttribute("aria-label", `Break or mend ${name}`);
      menu.addEventListener("click", () => this.menu.toggle(name, menu));
      menu.addEventListener("keydown", (event) => {
        if (event.key === "ArrowDown") this.menu.open(name, menu), event.preventDefault();
      });
    }
    const jobs = make("div", "np-slots", root);
    const line = make("div", "np-foot", root);
    const fault = make("span", "np-fault", line);
    fault.title = "What was done to it";
    const foot = make("span", "", line);
    const arc = ring.querySelector(".np-age");
    return { root, ring, arc, age, state, menu, jobs, fault, foot, beats: 0 };
  }

  drawCard(card, worker, timeout) {
    const fraction = Math.min(1, worker.age / timeout);
    const gone = worker.state !== "alive";
    const level = gone || fraction >= 1 ? "over" : fraction >= 0.5 ? "late" : "fresh";
    card.arc.style.strokeDasharray = gone ? "" : `${(fraction * 100).toFixed(1)} 100`;
    Object.assign(card.root.dataset, { level, state: worker.state });
    setText(card.age, gone ? "✗" : `${Math.floor(worker.age)} s`);
    const limit = `lost at ${timeout} s`;
    const age = gone ? worker.state : `last heard of ${worker.age.toFixed(0)} s ago, ${limit}`;
    card.ring.title = age;
    card.ring.setAttribute("aria-label", `${worker.name}: ${age}`);
    const faults = worker.faults.map((fault) => FAULTS[fault] ?? fault);
    setText(card.state, worker.state);
    card.state.title = "What the master thinks";
    setText(card.fault, faults.length ? `⚡ ${faults.join(", ")} ` : "");
    const hidden = worker.held - worker.jobs.length;
    const more = hidden > 0 ? `+${number(hidden)} more · ` : "";
    setText(card.foot, `${more}${number(worker.ended)} ended`);
    if (worker.beats > card.beats && this.lively) this.pulse(card.ring);
    card.beats = worker.beats;
  }

  // A worker begins its jobs in order: the oldest are in its slots, others it holds ahead of time.
  drawSlots(worker, compact, shown) {
    const { jobs: row } = this.cards.get(worker.name);
    const jobs = worker.jobs.map((job, place) => {
      return { ...job, status: place < worker.slots ? "running" : "held" };
    });
    this.drawJobs(row, jobs, "", shown);
    const places = Math.min(worker.slots, compact ? 1 : MAX_PLACES);
    const free = worker.state === "alive" ? Math.max(0, places - jobs.length) : 0;
    const drawn = row.getElementsByClassName("np-free");
    while (drawn.length > free) drawn[0].remove();
    while (drawn.length < free) make("span", "np-free", row);
    const ahead = Math.max(0, worker.held - worker.slots);
    row.title =
      `${count(worker.slots, "slot")}, ${number(worker.held - ahead)} in use` +
      (ahead ? `; ${count(ahead, "job")} held ahead of time` : "");
  }

  pulse(ring) {
    ring.animate([{ scale: 1 }, { scale: 1.25 }, { scale: 1 }], { duration: 450 });
  }

  // ---- 4. flights ---------------------------------------------------------------------------

  measure() {
    const places = new Map();
    for (const [id, box] of this.boxes) {
      places.set(id, { row: box.parentElement, rect: box.getBoundingClientRect() });
    }
    return places;
  }

  fly(before) {
    let left = MAX_FLIGHTS;
    for (const [id, box] of this.boxes) {
      const was = before.get(id);
      const row = box.parentElement;
      if (left === 0) return;
      if (was && was.row === row && row !== this.queue.row) continue;
      const from = was ? was.rect : this.originOf(box, row);
      const to = box.getBoundingClientRect();
      const [dx, dy] = [from.left - to.left, from.top - to.top];
      if (Math.abs(dx) + Math.abs(dy) < 2) continue;
      left -= 1;
      const jumps = was && row === this.queue.row && was.row !== row;
      this.flight(box, dx, dy, jumps);
    }
  }

  // A job that was not seen before comes from the end of the queue, or it ran between two frames.
  originOf(box, row) {
    const end = this.more.getBoundingClientRect();
    if (row !== this.ended.row) return end;
    const worker = this.frame.ended.find(({ id }) => this.boxes.get(id) === box)?.worker;
    return this.cards.get(worker)?.jobs.getBoundingClientRect() ?? end;
  }

  flight(box, dx, dy, jumps) {
    const steps = [{ translate: `${dx}px ${dy}px`, zIndex: 2 }, { translate: "0 0", zIndex: 2 }];
    if (jumps) steps.splice(1, 0, { translate: `${dx / 2}px ${dy / 2 - 40}px`, scale: 1.4 });
    box.animate(steps, { duration: jumps ? 3 * FLIGHT : FLIGHT, easing: "ease-in-out" });
  }

  say(text, good = true) {
    setText(this.answer, text);
    this.answer.dataset.good = good;
  }

  close() {
    this.menu.close();
    this.life.stop();
    this.asking.stop();
  }
}

// ---- 5. the menu ----------------------------------------------------------------------------

class Menu {
  constructor(stage) {
    this.stage = stage;
    this.list = make("div", "np-menu", stage.root);
    this.list.setAttribute("role", "menu");
    // In the top layer nothing cuts it off; a click elsewhere and Escape close it.
    this.list.popover = "auto";
    this.items = Object.entries(ACTIONS).map(([action, words]) => {
      const item = make("button", "np-menu-item", this.list, words);
      item.type = "button";
      item.tabIndex = -1;
      item.dataset.action = action;
      item.setAttribute("role", "menuitem");
      item.addEventListener("click", () => this.choose(action));
      return item;
    });
    this.list.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("toggle", (event) => {
      if (event.newState === "closed") this.closed();
    });
  }

  toggle(worker, button) {
    if (this.worker === worker) this.close();
    else this.open(worker, button);
  }

  open(worker, button) {
    this.close();
    this.worker = worker;
    this.button = button;
    button.setAttribute("aria-expanded", "true");
    this.list.setAttribute("aria-label", `What to do to ${worker}`);
    this.refresh();
    this.list.showPopover();
    const { right, bottom, top } = button.getBoundingClientRect();
    const { width, height } = this.list.getBoundingClientRect();
    const below = bottom + height < innerHeight ? bottom : top - height;
    this.list.style.left = `${Math.max(4, right - width)}px`;
    this.list.style.top = `${Math.max(4, below)}px`;
    this.items.find((item) => !item.disabled)?.focus();
  }

  // What makes no sense at the moment can be seen, but not chosen.
  refresh() {
    if (!this.worker) return;
    const worker = this.stage.frame.workers.find(({ name }) => name === this.worker);
    const faults = worker?.faults ?? [];
    const broken = (...kinds) => kinds.some((kind) => faults.includes(kind));
    const can = worker?.breakable ?? false;
    const allowed = {
      crash: can,
      pause: can && !broken("freeze"),
      resume: can && broken("freeze"),
      partition: can && !broken("partition"),
      slow: can && !broken("slow"),
      heal: can && broken("partition", "slow", "mute", "deaf"),
    };
    for (const item of this.items) item.disabled = !allowed[item.dataset.action];
  }

  choose(action) {
    const worker = this.worker;
    this.close();
    this.stage.asking.ask({ do: action, worker });
  }

  key(event) {
    const items = this.items.filter((item) => !item.disabled);
    const at = items.indexOf(document.activeElement);
    const to = {
      ArrowDown: items[(at + 1) % items.length],
      ArrowUp: items[(at - 1 + items.length) % items.length],
      Home: items[0],
      End: items[items.length - 1],
    }[event.key];
    if (event.key === "Escape" || event.key === "Tab") this.close();
    else if (to) to.focus();
    else return;
    if (event.key !== "Tab") event.preventDefault();
  }

  close() {
    if (this.list.matches(":popover-open")) {
      this.list.hidePopover(); // the focus goes back to the button
      this.closed();
    }
  }

  closed() {
    this.button?.setAttribute("aria-expanded", "false");
    this.worker = null;
  }
}

// ---- 6. asking ------------------------------------------------------------------------------

class Asking {
  constructor(stage) {
    this.stage = stage;
    this.asked = 0;
    this.listen = (content) => this.answered(content);
    stage.model.on("msg:custom", this.listen);
  }

  ask(content) {
    this.asked += 1;
    this.stage.say("…");
    const question = `${this.stage.id} ${this.asked}`;
    this.waiting = setTimeout(() => this.stage.say(this.stage.model.get("why_wait")), HEARD_WITHIN);
    this.send({ ...content, question });
  }

  send(content) {
    try {
      this.stage.model.send(content);
    } catch {
      // The kernel is gone; the signs of life tell.
    }
  }

  answered({ question, heard, said, good }) {
    if (question !== `${this.stage.id} ${this.asked}`) return;
    clearTimeout(this.waiting);
    if (heard) this.stage.say("under way …");
    else this.stage.say(said, good);
  }

  stop() {
    clearTimeout(this.waiting);
    this.send({ do: "close", view: this.stage.id });
    this.stage.model.off("msg:custom", this.listen);
  }
}

// ---- 7. signs of life -----------------------------------------------------------------------

class SignsOfLife {
  constructor(stage) {
    this.stage = stage;
    this.last = performance.now();
    this.timer = setInterval(() => this.look(), 1000);
    this.callForFrames();
  }

  callForFrames() {
    this.stage.asking.send({ do: "open", view: this.stage.id });
  }

  sawFrame(frame) {
    this.last = performance.now();
    this.look();
    this.stage.root.classList.toggle("np-still", frame.link === "closed");
  }

  look() {
    const { frame, banner, root } = this.stage;
    const text = this.trouble(frame);
    banner.hidden = !text;
    if (text) setText(banner, text);
    root.classList.toggle("np-dimmed", Boolean(text));
  }

  trouble(frame) {
    const quiet = performance.now() - this.last;
    const seconds = Math.round(quiet / 1000);
    if (frame?.link === "closed") return "This cluster is stopped. This is how it was at the end.";
    const disconnected = this.stage.root.closest(".jupyter-widgets-disconnected");
    if (disconnected || quiet > GONE) {
      return (
        "The cluster is gone: its kernel was restarted or does not answer" +
        (disconnected ? "" : ` (for ${seconds} s)`) +
        ". Start the cluster again, and this picture with it."
      );
    }
    if (quiet > QUIET) {
      this.callForFrames();
      return `No news from the kernel for ${seconds} s: it is very busy, or was restarted.`;
    }
    if (frame?.link === "waiting") return "The master does not answer.";
    if (frame && frame.silent > 5 && frame.workers.some(({ state }) => state === "alive")) {
      return `The master has said nothing for ${Math.round(frame.silent)} s.`;
    }
    return "";
  }

  stop() {
    clearInterval(this.timer);
  }
}

// ---- what anywidget calls -------------------------------------------------------------------

export default {
  // Once in each page: views of a page that was left have not said goodbye.
  initialize({ model }) {
    model.send({ do: "page" });
  },

  render({ model, el }) {
    const stage = new Stage(model, el);
    const draw = () => model.get("frame") && stage.draw(JSON.parse(model.get("frame")));
    const tell = () => setText(stage.summary, model.get("summary"));
    draw();
    tell();
    model.on("change:frame", draw);
    model.on("change:summary", tell);
    return () => {
      model.off("change:frame", draw);
      model.off("change:summary", tell);
      stage.close();
    };
  },
};
