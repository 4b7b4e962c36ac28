/** Made by scripts/page.mjs from `client`; not to be edited. */

export const html = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>effect-videos</title>
    <link rel="icon" href="/_page/icon.svg" type="image/svg+xml">
    <link rel="stylesheet" href="/_page/style.css">
    <script type="module" src="/_page/script.js"></script>
  </head>
  <body>
    <a class="skip" href="#jobs-title">Skip to the jobs</a>
    <svg hidden aria-hidden="true">
      <symbol id="shape-queued" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="2" stroke-dasharray="3 2.2"/></symbol>
      <symbol id="shape-in_progress" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="2"/><path d="M8 2a6 6 0 0 1 0 12z" fill="currentColor"/></symbol>
      <symbol id="shape-completed" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="currentColor"/><path d="m4.8 8.3 2.2 2.2 4.2-4.6" fill="none" stroke="var(--surface)" stroke-width="1.8"/></symbol>
      <symbol id="shape-failed" viewBox="0 0 16 16"><path d="M8 .8 15.4 14.5H.6z" fill="currentColor"/><path d="M8 5.6v4.2M8 11.4v1.6" stroke="var(--surface)" stroke-width="1.6"/></symbol>
      <symbol id="shape-expired" viewBox="0 0 16 16"><rect x="2" y="2" width="12" height="12" rx="2" fill="none" stroke="currentColor" stroke-width="2"/><path d="M5 8h6" stroke="currentColor" stroke-width="2"/></symbol>
      <symbol id="shape-play" viewBox="0 0 16 16"><path d="M4 2.2v11.6L13.5 8z" fill="currentColor"/></symbol>
    </svg>

    <header>
      <h1>effect-videos</h1>
      <p id="where"></p>
      <nav aria-label="On this page" hidden>
        <a href="#jobs-title">Jobs</a>
        <a href="#faults-title">Faults</a>
        <a href="#requests-title">Requests</a>
      </nav>
      <p id="connection" class="connection" role="status" data-state="waiting">Connecting</p>
    </header>

    <form id="key-form" class="panel key" hidden>
      <label for="key">API key</label>
      <input id="key" type="password" autocomplete="off" spellcheck="false" required aria-describedby="key-hint">
      <button type="submit">Show the server</button>
      <p id="key-hint" class="hint">This server wants a key. It is kept in this page’s memory alone, until the page is closed.</p>
      <p id="key-error" class="problem" role="alert"></p>
    </form>

    <main hidden>
      <section class="jobs" aria-labelledby="jobs-title">
        <div class="title">
          <h2 id="jobs-title" tabindex="-1">Jobs</h2>
          <p id="jobs-count" class="hint"></p>
        </div>
        <form id="create-form" class="panel fields">
          <div class="field most">
            <label for="create-prompt">Prompt</label>
            <input id="create-prompt" name="prompt" required maxlength="32000" autocomplete="off" placeholder="A lighthouse at dusk">
          </div>
          <div class="field">
            <label for="create-seconds">Length</label>
            <select id="create-seconds" name="seconds">
              <option value="4">4 s</option>
              <option value="8">8 s</option>
              <option value="12">12 s</option>
              <option value="16">16 s</option>
              <option value="20">20 s</option>
            </select>
          </div>
          <div class="field">
            <label for="create-size">Size</label>
            <select id="create-size" name="size">
              <option>1280x720</option>
              <option>720x1280</option>
              <option>320x180</option>
            </select>
          </div>
          <button type="submit">Create</button>
          <p class="problem whole" role="alert"></p>
        </form>
        <ul id="jobs" aria-labelledby="jobs-title"></ul>
        <p id="jobs-none" class="empty">No jobs yet. Make one here, or from any client of the protocol with the base URL <code id="base-url"></code></p>
      </section>

      <div class="aside">
        <section aria-labelledby="faults-title">
          <div class="title">
            <h2 id="faults-title" tabindex="-1">Faults</h2>
            <button id="faults-clear" type="button" class="quiet">Clear all</button>
          </div>
          <p class="hint">What is switched on goes wrong with requests to the protocol, this page’s own forms among them.</p>
          <ul id="faults" class="rows faults" aria-labelledby="faults-title"></ul>
          <p class="problem" role="alert" id="faults-problem"></p>
          <div id="other-faults" hidden>
            <h3 id="others-title">Rules set elsewhere</h3>
            <ul class="rows" aria-labelledby="others-title"></ul>
          </div>
        </section>
        <section aria-labelledby="requests-title">
          <div class="title"><h2 id="requests-title" tabindex="-1">Last requests</h2></div>
          <ol id="requests" class="rows requests" reversed aria-labelledby="requests-title"></ol>
          <p id="requests-none" class="empty">None yet.</p>
        </section>
      </div>
    </main>
    <p id="news" class="unseen" role="status"></p>
    <noscript><p class="panel">This page shows what happens while it happens, and needs JavaScript for that.</p></noscript>
  </body>
</html>
`

export const style = `:root {
  --ground: #f4f5f7;
  --surface: #fff;
  --line: #d9dce3;
  --edge: #858c9a;
  --text: #1b1f27;
  --soft: #565e6c;
  --accent: #2a5bd7;
  --on-accent: #fff;
  --waiting: #6a5a12;
  --running: #2a5bd7;
  --good: #1b6e3c;
  --bad: #b3261e;
  --still: #565e6c;
  --screen: #e9ebf0;
  color-scheme: light dark;
  font:
    1rem / 1.45 system-ui,
    sans-serif;
}

@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14161b;
    --surface: #1d2027;
    --line: #363b46;
    --edge: #727a89;
    --text: #e8eaef;
    --soft: #a3abba;
    --accent: #8fb0ff;
    --on-accent: #10182b;
    --waiting: #e0c65a;
    --running: #8fb0ff;
    --good: #7bd49b;
    --bad: #ff9a90;
    --still: #a3abba;
    --screen: #12141a;
  }
}

*,
::before,
::after {
  box-sizing: border-box;
}

body {
  margin: 0 auto;
  padding: 0 1rem 3rem;
  max-width: 96rem;
  background: var(--ground);
  color: var(--text);
  accent-color: var(--accent);
  overflow-wrap: anywhere;
}

h1,
h2,
h3,
p,
ul,
ol {
  margin: 0;
  padding: 0;
}

ul,
ol {
  list-style: none;
}

h1 {
  font-size: 1.125rem;
}

h2 {
  font-size: 1rem;
}

h3 {
  font-size: 0.9375rem;
}

a {
  color: var(--accent);
}

code,
.mono {
  font:
    0.8125rem / 1.45 ui-monospace,
    "Cascadia Mono",
    Menlo,
    Consolas,
    monospace;
}

.hint,
.empty {
  color: var(--soft);
  font-size: 0.875rem;
}

.problem {
  color: var(--bad);
  font-size: 0.875rem;
}

.problem:empty {
  display: none;
}

.unseen {
  position: absolute;
  width: 1px;
  height: 1px;
  overflow: hidden;
  clip-path: inset(50%);
  white-space: nowrap;
}

.skip {
  position: absolute;
  left: 1rem;
  top: -4rem;
  padding: 0.5rem 0.75rem;
  background: var(--surface);
}

.skip:focus {
  top: 0.5rem;
}

:focus-visible {
  outline: 2px solid var(--accent);
  outline-offset: 2px;
}

/* What one acts with. */

button,
input,
select {
  font: inherit;
  color: inherit;
  min-height: 2.5rem;
  border: 1px solid var(--edge);
  border-radius: 0.375rem;
  background: var(--surface);
}

input,
select {
  width: 100%;
  padding: 0 0.625rem;
}

button {
  padding: 0 0.875rem;
  cursor: pointer;
}

button[type="submit"] {
  border-color: var(--accent);
  background: var(--accent);
  color: var(--on-accent);
}

button:disabled {
  opacity: 0.55;
  cursor: default;
}

button.quiet {
  min-height: 2.25rem;
  padding: 0 0.625rem;
  font-size: 0.875rem;
}

label {
  display: block;
  font-size: 0.875rem;
  color: var(--soft);
  margin-bottom: 0.125rem;
}

.panel,
.card,
.rows {
  background: var(--surface);
  border: 1px solid var(--line);
  border-radius: 0.5rem;
}

/* The frame of the page. */

header {
  display: flex;
  flex-wrap: wrap;
  align-items: baseline;
  gap: 0.25rem 1rem;
  padding: 1rem 0;
}

#where {
  flex: 1 1 12rem;
  color: var(--soft);
}

nav {
  display: flex;
  gap: 0 1rem;
  order: 1;
  flex-basis: 100%;
}

nav a {
  padding: 0.375rem 0;
}

.connection {
  display: flex;
  align-items: center;
  gap: 0.375rem;
  font-size: 0.875rem;
  color: var(--waiting);
}

.connection::before {
  content: "";
  width: 0.625rem;
  height: 0.625rem;
  border: 2px solid currentColor;
  border-radius: 50%;
}

.connection[data-state="live"] {
  color: var(--good);
}

.connection[data-state="live"]::before {
  background: currentColor;
}

.key {
  max-width: 26rem;
  margin: 10vh auto 0;
  padding: 1rem;
  display: grid;
  gap: 0.5rem;
}

main {
  display: grid;
  gap: 2rem 1.5rem;
}

@media (min-width: 64rem) {
  main {
    grid-template-columns: minmax(0, 1fr) 23rem;
  }

  /* All is in sight. */
  nav {
    display: none;
  }
}

section {
  display: grid;
  gap: 0.75rem;
  align-content: start;
  min-width: 0;
}

.aside {
  display: grid;
  gap: 2rem;
  align-content: start;
  min-width: 0;
}

.title {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 0 0.75rem;
  min-height: 2.25rem;
}

.title h2 {
  flex: 1;
}

.fields {
  display: flex;
  flex-wrap: wrap;
  align-items: end;
  gap: 0.75rem;
}

.fields.panel {
  padding: 0.875rem;
}

.fields > .field {
  flex: 1 0 8.5rem;
}

.fields > .most {
  flex: 6 1 18rem;
}

.fields > .whole {
  flex: 1 0 100%;
}

.empty {
  padding: 1.5rem 0;
}

/* Jobs. */

#jobs {
  display: grid;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr));
  gap: 1rem;
  align-items: start;
}

.card {
  display: flex;
  flex-direction: column;
  gap: 0.5rem;
  padding: 0.75rem;
  scroll-margin-top: 1rem;
}

.card:target {
  border-color: var(--accent);
  box-shadow: 0 0 0 1px var(--accent);
}

.screen {
  position: relative;
  aspect-ratio: 16 / 9;
  display: grid;
  place-items: center;
  overflow: hidden;
  border-radius: 0.25rem;
  background: var(--screen);
  color: var(--soft);
  font-size: 0.875rem;
  text-align: center;
}

.screen > * {
  grid-area: 1 / 1;
}

.screen img,
.screen video {
  width: 100%;
  height: 100%;
  object-fit: contain;
}

.screen .play {
  width: 100%;
  height: 100%;
  min-height: 0;
  padding: 0;
  border: 0;
  border-radius: 0;
  background: none;
  display: grid;
  place-items: center;
}

.screen .play > * {
  grid-area: 1 / 1;
  min-height: 0;
  max-height: 100%;
}

.screen .play:focus-visible {
  outline-offset: -3px;
}

.play .badge {
  display: flex;
  align-items: center;
  gap: 0.5rem;
  min-height: 2.5rem;
  padding: 0 0.875rem;
  border-radius: 1.25rem;
  background: #14161bcc;
  color: #fff;
  z-index: 1;
}

.shape {
  width: 1em;
  height: 1em;
  flex: none;
}

.state {
  display: flex;
  align-items: center;
  gap: 0.375rem;
  font-size: 0.875rem;
  font-weight: 600;
}

.state .left {
  margin-left: auto;
  font-weight: 400;
  color: var(--soft);
  font-variant-numeric: tabular-nums;
}

.card[data-phase="queued"] .state {
  color: var(--waiting);
}

.card[data-phase="in_progress"] .state {
  color: var(--running);
}

.card[data-phase="completed"] .state {
  color: var(--good);
}

.card[data-phase="failed"] .state {
  color: var(--bad);
}

.card[data-phase="expired"] .state {
  color: var(--still);
}

progress {
  display: block;
  width: 100%;
  height: 0.5rem;
}

/* Each engine has its own bar. */
@media (forced-colors: none) {
  progress {
    appearance: none;
    border: 0;
    border-radius: 0.25rem;
    background: var(--line);
    overflow: hidden;
  }

  progress::-webkit-progress-bar {
    background: none;
  }

  progress::-webkit-progress-value {
    background: var(--accent);
  }

  progress::-moz-progress-bar {
    background: var(--accent);
  }
}

.card h3 {
  font-weight: 500;
  display: -webkit-box;
  -webkit-box-orient: vertical;
  -webkit-line-clamp: 3;
  line-clamp: 3;
  overflow: hidden;
}

.facts,
.ties,
.card code {
  font-size: 0.8125rem;
  color: var(--soft);
}

.ties:empty {
  display: none;
}

.ties a {
  display: inline-block;
  max-width: 100%;
  padding: 0.125rem 0;
}

.card > .more {
  align-self: start;
}

.rows > li {
  padding: 0.375rem 0.75rem;
}

/* Faults. */

.faults > li {
  display: grid;
  grid-template-columns: minmax(0, 1fr) 8.25rem;
  align-items: center;
  gap: 0.25rem 0.5rem;
}

.faults label {
  display: flex;
  align-items: center;
  gap: 0.625rem;
  min-height: 2.5rem;
  margin: 0;
  color: var(--text);
  cursor: pointer;
}

.faults input {
  appearance: none;
  flex: none;
  position: relative;
  width: 2.25rem;
  min-height: 0;
  height: 1.25rem;
  margin: 0;
  padding: 0;
  border: 2px solid var(--soft);
  border-radius: 0.625rem;
  background: none;
  cursor: pointer;
}

.faults input::before {
  content: "";
  position: absolute;
  top: 2px;
  left: 2px;
  width: 0.75rem;
  height: 0.75rem;
  border-radius: 50%;
  background: var(--soft);
}

.faults input:checked {
  border-color: var(--bad);
  background: var(--bad);
}

.faults input:checked::before {
  translate: 1rem;
  background: var(--surface);
}

.faults select {
  min-height: 2.25rem;
  padding: 0 0.375rem;
  font-size: 0.875rem;
}

/* Requests. */

.rows:empty {
  display: none;
}

#other-faults {
  font-size: 0.875rem;
}

.requests > li {
  display: grid;
  grid-template-columns: auto minmax(0, 1fr);
  gap: 0 0.625rem;
}

.rows > li + li {
  border-top: 1px solid var(--line);
}

.requests time {
  color: var(--soft);
}

.requests .fault {
  grid-column: 2;
  display: flex;
  align-items: center;
  gap: 0.375rem;
  color: var(--bad);
  font-size: 0.8125rem;
  font-weight: 600;
}

@media (prefers-reduced-motion: no-preference) {
  html {
    scroll-behavior: smooth;
  }

  .faults input::before {
    transition: translate 120ms;
  }
}

/* A finger needs more room than a mouse. */

@media (pointer: fine) {
  .faults label,
  .faults select {
    min-height: 1.75rem;
  }
}

:root [hidden] {
  display: none;
}
`

export const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><title>effect-videos</title><rect width="16" height="16" rx="4" fill="#2a5bd7"/><path d="M5.5 4v8l6.5-4z" fill="#fff"/></svg>
`

export const script = `// client/dom.ts
var byId = (id, type) => {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(\`the page has no #\${id}\`);
  return found;
};
var part = (of, selector, type) => {
  const found = of.querySelector(selector);
  if (!(found instanceof type)) throw new Error(\`no \${selector} in the element\`);
  return found;
};
var make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};
var shape = (name) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "shape");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", \`#shape-\${name}\`);
  svg.append(use);
  return svg;
};
var setText = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};
var asList = (element) => {
  element.setAttribute("role", "list");
  return element;
};

// client/server.ts
var key = "";
var setKey = (given) => {
  key = given;
};
var headers = () => key === "" ? {} : { authorization: \`Bearer \${key}\` };
var reasonOf = async (response) => {
  const said = \`The server answered \${response.status}\`;
  try {
    const body = await response.json();
    const reason = body?.error?.message ?? body?.message ?? body?.detail;
    return typeof reason === "string" ? \`\${said}: \${reason}\` : said;
  } catch {
    return \`\${said}, with a body that is no JSON\`;
  }
};
var submissionMillis = 3e4;
var problemOf = async (request) => {
  try {
    const response = await request;
    if (!response.ok) return await reasonOf(response);
    await response.json();
    return null;
  } catch (error) {
    if (error instanceof SyntaxError) return "The server answered with something that is no JSON";
    return error instanceof DOMException && error.name === "TimeoutError" ? \`No answer came in \${submissionMillis / 1e3} seconds\` : "No whole answer came: the connection was lost";
  }
};
var json = (method, body) => ({
  method,
  headers: { ...headers(), "content-type": "application/json" },
  body: JSON.stringify(body),
  signal: AbortSignal.timeout(submissionMillis)
});
var submit = ({ basePath, forms }, path, fields) => {
  if (!forms) return problemOf(fetch(basePath + path, json("POST", fields)));
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    form.append(name, typeof value === "string" ? value : JSON.stringify(value));
  }
  const signal = AbortSignal.timeout(submissionMillis);
  return problemOf(fetch(basePath + path, { method: "POST", headers: headers(), body: form, signal }));
};
var setRules = (rules) => problemOf(fetch("/_faults", json("PUT", { rules })));
var fileUrl = async (id, variant) => {
  const path = \`/_page/videos/\${encodeURIComponent(id)}/\${variant}\`;
  if (key === "") return path;
  const response = await fetch(path, { headers: headers() });
  if (!response.ok) throw new Error(await reasonOf(response));
  return URL.createObjectURL(await response.blob());
};
var leastWait = 500;
var mostWait = 1e4;
var patience = 45e3;
var listen = async (listener2) => {
  let wait = leastWait;
  while (true) {
    const connection2 = new AbortController();
    let timer = setTimeout(() => connection2.abort(), patience);
    try {
      const response = await fetch("/_events", { headers: headers(), signal: connection2.signal });
      if (response.status === 401) return listener2.onState("locked");
      if (response.ok && response.body !== null) {
        await readEvents(
          response.body,
          (name, data) => {
            listener2.onState("live");
            listener2.onFrame(name, data);
          },
          () => {
            wait = leastWait;
            clearTimeout(timer);
            timer = setTimeout(() => connection2.abort(), patience);
          }
        );
      }
    } catch (error) {
      console.warn(error);
    } finally {
      clearTimeout(timer);
      connection2.abort();
    }
    listener2.onState("waiting");
    await new Promise((resolve) => setTimeout(resolve, wait));
    wait = Math.min(mostWait, wait * 2);
  }
};
var readEvents = async (body, onEvent, onBytes) => {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  while (true) {
    const { done, value } = await reader.read();
    if (done) return;
    onBytes();
    const blocks = (pending + value).split("\\n\\n");
    pending = blocks.pop() ?? "";
    for (const block of blocks) {
      const [, name, data] = /^event: (\\w+)\\ndata: (.*)$/.exec(block) ?? [];
      if (name !== void 0 && data !== void 0) onEvent(name, JSON.parse(data));
    }
  }
};

// client/cards.ts
var phases = {
  queued: "Queued",
  in_progress: "Running",
  completed: "Completed",
  failed: "Failed",
  expired: "Expired"
};
var screens = {
  queued: "Waiting for its turn",
  in_progress: "Being made",
  failed: "No video",
  expired: "The files are gone"
};
var verbs = {
  create: "Made from",
  extend: "Extends",
  remix: "Remix of",
  edit: "Edit of"
};
var anchorOf = (id) => \`job-\${id}\`;
var briefly = (text) => text.length > 40 ? \`\${text.slice(0, 38).trimEnd()} \\u2026\` : text;
var timeLeft = (seconds) => {
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? \`\${seconds} s left\` : \`\${minutes} min \${seconds % 60} s left\`;
};
var whenSeen = (node, then) => {
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
    observer.disconnect();
    then();
  });
  observer.observe(node);
};
var lengths = ["4", "8", "12", "16", "20"];
var makeCard = (first, parts) => {
  const { id } = first;
  const titleId = \`title-\${id}\`;
  const title = make("h3", { id: titleId });
  const screen = make("div", { class: "screen" });
  const state = make("p", { class: "state" });
  const progress = make("progress", { max: "100", "aria-label": "Progress" });
  const facts = make("p", { class: "facts" });
  const source = make("p", { class: "ties" });
  const descendants = make("p", { class: "ties" });
  const error = make("p", { class: "problem" });
  const node = make("li", { id: anchorOf(id), class: "card", tabindex: "-1", "aria-labelledby": titleId });
  node.append(screen, state, progress, title, facts, make("code", {}, id), error, source, descendants);
  const urls = /* @__PURE__ */ new Set();
  const urlOf = async (variant) => {
    const url = await fileUrl(id, variant);
    if (url.startsWith("blob:")) urls.add(url);
    return url;
  };
  const play = async (button, image, prompt) => {
    setText(part(button, ".word", HTMLElement), "Preparing \\u2026");
    button.setAttribute("aria-disabled", "true");
    const video = make("video", { controls: "", playsinline: "", loop: "", "aria-label": prompt });
    if (image.src !== "") video.poster = image.src;
    try {
      video.src = await urlOf("video");
      await new Promise((resolve, reject) => {
        video.addEventListener("loadeddata", resolve, { once: true });
        video.addEventListener("error", () => reject(new Error("The video could not be loaded")), { once: true });
        video.load();
      });
      const focused = document.activeElement === button;
      screen.replaceChildren(video);
      if (focused) video.focus();
      await video.play();
    } catch (reason) {
      setText(error, reason instanceof Error ? reason.message : String(reason));
      setText(part(button, ".word", HTMLElement), "Play");
      button.removeAttribute("aria-disabled");
    }
  };
  const poster = (prompt) => {
    const image = make("img", { alt: "" });
    const word = make("span", { class: "word" }, "Play");
    const button = make(
      "button",
      { type: "button", class: "play", "aria-label": \`Play \${prompt}\` },
      image,
      make("span", { class: "badge" }, shape("play"), word)
    );
    button.addEventListener("click", () => {
      if (button.getAttribute("aria-disabled") !== "true") void play(button, image, prompt);
    });
    screen.replaceChildren(button);
    image.hidden = true;
    image.addEventListener("load", () => {
      image.hidden = false;
    });
    whenSeen(screen, () => {
      urlOf("thumbnail").then(
        (url) => {
          image.src = url;
        },
        // A card without a picture still plays.
        (reason) => console.warn(reason)
      );
    });
  };
  const extender = (extend2) => {
    const promptId = \`prompt-\${id}\`;
    const secondsId = \`seconds-\${id}\`;
    const prompt = make("input", { id: promptId, required: "", maxlength: "32000", autocomplete: "off" });
    const seconds = make("select", { id: secondsId }, ...lengths.map((s) => make("option", { value: s }, \`\${s} s\`)));
    seconds.value = "8";
    const problem = make("p", { class: "problem whole", role: "alert" });
    const send = make("button", { type: "submit" }, "Extend");
    const form = make(
      "form",
      { id: \`extend-\${id}\`, class: "fields" },
      make("div", { class: "field whole" }, make("label", { for: promptId }, "What happens next"), prompt),
      make("div", { class: "field" }, make("label", { for: secondsId }, "Longer by"), seconds),
      send,
      problem
    );
    form.hidden = true;
    const open = make("button", {
      type: "button",
      class: "quiet more",
      "aria-expanded": "false",
      "aria-controls": form.id,
      "aria-describedby": titleId
    });
    open.append("Extend \\u2026");
    const toggle = (shown2) => {
      form.hidden = !shown2;
      open.setAttribute("aria-expanded", String(shown2));
    };
    open.addEventListener("click", () => {
      toggle(form.hidden);
      if (!form.hidden) prompt.focus();
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (send.disabled) return;
      send.disabled = true;
      setText(problem, "");
      const why = await extend2(id, prompt.value, seconds.value);
      send.disabled = false;
      setText(problem, why ?? "");
      if (why !== null) return;
      prompt.value = "";
      toggle(false);
      open.focus();
    });
    node.append(open, form);
  };
  const link = (to) => {
    const prompt = parts.promptOf(to);
    return prompt === void 0 ? document.createTextNode(to) : make("a", { href: \`#\${encodeURIComponent(anchorOf(to))}\`, title: prompt }, briefly(prompt));
  };
  const setTies = (line, words, ids) => {
    const tie = JSON.stringify([words, ids.map((each) => [each, parts.promptOf(each)])]);
    if (line.dataset.tie === tie) return;
    line.dataset.tie = tie;
    line.replaceChildren(words, ...ids.flatMap((each, at) => [at === 0 ? " " : " \\xB7 ", link(each)]));
  };
  const showTies = ({ descendants: made, operation, source: from }) => {
    const verb = verbs[operation];
    if (from === null) setTies(source, "", []);
    else if (from._tag === "Job") setTies(source, verb, [from.id]);
    else setTies(source, from._tag === "Upload" ? \`\${verb} an uploaded clip\` : \`\${verb} a deleted video\`, []);
    setTies(descendants, made.length === 0 ? "" : "Source of", made);
  };
  const enter = ({ phase, prompt }) => {
    node.dataset.phase = phase;
    state.replaceChildren(shape(phase), make("span", { class: "word" }, phases[phase]), make("span", { class: "left" }));
    if (phase === "completed") {
      poster(prompt);
      if (parts.extend !== null) extender(parts.extend);
      return;
    }
    screen.replaceChildren(screens[phase]);
    node.querySelector(".more")?.remove();
    node.querySelector("form")?.remove();
  };
  return {
    node,
    show: (view) => {
      const { model, phase, progress: percent, prompt, seconds, secondsLeft, size } = view;
      setText(title, prompt);
      title.title = prompt;
      if (node.dataset.phase !== phase) enter(view);
      const left = secondsLeft === null ? "" : timeLeft(secondsLeft);
      setText(part(state, ".left", HTMLElement), phase === "in_progress" ? \`\${percent} % \\xB7 \${left}\` : left);
      progress.value = percent;
      progress.hidden = secondsLeft === null;
      setText(facts, \`\${seconds} s \\xB7 \${size} \\xB7 \${model}\`);
      setText(error, view.error === null ? "" : [view.error.code, view.error.message].filter(Boolean).join(": "));
      showTies(view);
    },
    remove: () => {
      node.remove();
      for (const url of urls) URL.revokeObjectURL(url);
    }
  };
};

// client/kinds.ts
var status = (code, more = {}) => ({
  _tag: "Status",
  status: code,
  body: "json",
  committed: false,
  ...more
});
var kinds = [
  {
    name: "429, rate limit",
    fault: status(429, { code: "rate_limit_exceeded", retryAfter: { form: "seconds", afterMillis: 1e3 } })
  },
  { name: "429, quota used up", fault: status(429, { code: "insufficient_quota" }) },
  { name: "500, server error", fault: status(500) },
  { name: "503, overloaded", fault: status(503, { retryAfter: { form: "seconds", afterMillis: 1e3 } }) },
  { name: "HTML in place of JSON", fault: status(200, { body: "html" }) },
  { name: "Connection reset", fault: { _tag: "Reset", at: "before-headers" } },
  { name: "Done, answer lost", fault: { _tag: "Reset", at: "after-commit" } },
  { name: "Body broken off", fault: { _tag: "Reset", at: "mid-body" } },
  { name: "No answer", fault: { _tag: "Hang", committed: false } },
  { name: "JSON cut in half", fault: { _tag: "CutJson" } },
  { name: "Slow body, 80 B/s", fault: { _tag: "Slow", bytes: 16, everyMillis: 200 } },
  { name: "Stale by 5 seconds", fault: { _tag: "Stale", byMillis: 5e3 } },
  { name: "Unknown status", fault: { _tag: "Fields", fields: { status: "thinking" } } },
  { name: "Clock an hour ahead", fault: { _tag: "Skew", aheadMillis: 36e5 } },
  { name: "Submitted twice", fault: { _tag: "Duplicate", of: "job" } },
  { name: "Files expire midway", fault: { _tag: "Expire" } }
];
var paces = [
  { id: "next", name: "next one", limits: { times: 1 } },
  { id: "next-3", name: "next 3", limits: { times: 3 } },
  { id: "next-10", name: "next 10", limits: { times: 10 } },
  { id: "tenth", name: "10 %", limits: { probability: 0.1 } },
  { id: "half", name: "50 %", limits: { probability: 0.5 } },
  { id: "all", name: "all", limits: null }
];
var ruleOf = ({ fault }, { limits }) => {
  if (limits === null) return { fault };
  if ("times" in limits) return { fault, times: limits.times };
  const seed = Math.floor(Math.random() * 2 ** 31);
  const when = { _tag: "Chance", probability: limits.probability, seed };
  return { fault, when };
};
var canonical = (value) => JSON.stringify(
  value,
  (_, part2) => typeof part2 === "object" && part2 !== null && !Array.isArray(part2) ? Object.fromEntries(Object.entries(part2).sort(([a], [b]) => a < b ? -1 : 1)) : part2
);
var kindOf = (fault) => kinds.find((kind) => canonical(kind.fault) === canonical(fault));
var wordsOf = (fault) => {
  const kind = kindOf(fault);
  if (kind !== void 0) return kind.name;
  const { _tag, ...values } = fault;
  const details = JSON.stringify(values);
  return details === "{}" ? _tag : \`\${_tag} \${details.length > 120 ? \`\${details.slice(0, 118)} \\u2026\` : details}\`;
};

// client/faults.ts
var isSpent = ({ injected, rule }) => rule.times !== void 0 && injected >= rule.times;
var remaining = ({ injected, rule }) => rule.times === void 0 ? rule : { ...rule, times: rule.times - injected };
var paceOf = ({ when, times }) => paces.find(
  ({ limits }) => limits === null ? when === void 0 && times === void 0 : "times" in limits ? when === void 0 && times === limits.times : when?._tag === "Chance" && when.probability === limits.probability
);
var isSwitch = ({ rule }, kind) => rule.on === void 0 && kindOf(rule.fault) === kind && (rule.when === void 0 || rule.when._tag === "Chance");
var makeFaults = () => {
  const list2 = asList(byId("faults", HTMLUListElement));
  const others = byId("other-faults", HTMLElement);
  const otherList = asList(others.querySelector("ul") ?? others);
  const problem = byId("faults-problem", HTMLElement);
  const clear = byId("faults-clear", HTMLButtonElement);
  let rules = [];
  const set = async (next) => {
    const before = rules;
    show(next.map((rule) => ({ rule, injected: 0 })));
    const why = await setRules(next);
    setText(problem, why ?? "");
    if (why !== null) show(before);
  };
  const change = ({ input, kind, select }) => {
    const kept = rules.filter((view) => !isSpent(view) && !isSwitch(view, kind)).map(remaining);
    const pace = paces.find(({ id }) => id === select.value) ?? paces[0];
    void set(input.checked && pace !== void 0 ? [...kept, ruleOf(kind, pace)] : kept);
  };
  const switches = kinds.map((kind, index) => {
    const input = make("input", { type: "checkbox", role: "switch", id: \`fault-\${index}\` });
    const select = make("select", { "aria-label": \`How often: \${kind.name}\` });
    select.append(...paces.map(({ id, name }) => make("option", { value: id }, name)));
    const left = make("option", { value: "left", hidden: "" });
    const made = { kind, input, select, left };
    input.addEventListener("change", () => change(made));
    select.addEventListener("change", () => {
      if (input.checked) change(made);
    });
    list2.append(make("li", {}, make("label", { for: input.id }, input, make("span", {}, kind.name)), select));
    return made;
  });
  clear.addEventListener("click", () => void set([]));
  const show = (views2) => {
    rules = views2;
    const live = views2.filter((view) => !isSpent(view));
    const shown2 = /* @__PURE__ */ new Set();
    for (const { input, kind, left, select } of switches) {
      const view = live.find((each) => isSwitch(each, kind));
      input.checked = view !== void 0;
      left.remove();
      if (view === void 0) {
        if (select.value === "") select.value = "next";
        continue;
      }
      shown2.add(view);
      const pace = paceOf(view.rule);
      if (pace !== void 0 && (view.injected === 0 || view.rule.times === void 0)) {
        select.value = pace.id;
      } else {
        setText(left, view.rule.times === void 0 ? "as set" : \`\${view.rule.times - view.injected} more\`);
        select.prepend(left);
        select.value = left.value;
      }
    }
    const rest = live.filter((view) => !shown2.has(view));
    others.hidden = rest.length === 0;
    otherList.replaceChildren(...rest.map(({ rule }) => make("li", {}, describe(rule))));
    clear.disabled = live.length === 0;
  };
  show([]);
  return show;
};
var describe = ({ fault, on, times, when }) => [
  wordsOf(fault),
  on === void 0 ? "" : \`on \${on.join(", ")}\`,
  when === void 0 ? "" : whenWords(when),
  times === void 0 ? "" : \`at most \${times} times\`
].filter((words) => words !== "").join(" \\xB7 ");
var whenWords = (when) => {
  switch (when._tag) {
    case "Always":
      return "always";
    case "Nth":
      return \`request \${when.n.join(", ")}\`;
    case "Every":
      return \`every \${when.n} requests\`;
    case "First":
      return \`the first \${when.n} requests\`;
    case "Chance":
      return \`\${when.probability * 100} % of requests\`;
  }
};

// client/requests.ts
var shown = 40;
var row = ({ at, fault, method, path }) => {
  const date = new Date(at);
  const time = make(
    "time",
    { class: "mono", datetime: date.toISOString() },
    date.toLocaleTimeString([], { hour12: false })
  );
  const item = make("li", {}, time, make("span", { class: "mono" }, \`\${method} \${path}\`));
  if (fault !== null) item.append(make("span", { class: "fault" }, shape("failed"), \`Fault: \${wordsOf(fault)}\`));
  return item;
};
var makeRequests = () => {
  const list2 = asList(byId("requests", HTMLOListElement));
  const none = byId("requests-none", HTMLElement);
  return {
    add: (entries) => {
      for (const entry of entries) list2.prepend(row(entry));
      while (list2.children.length > shown) list2.lastElementChild?.remove();
      none.hidden = list2.children.length > 0;
    },
    clear: () => list2.replaceChildren()
  };
};

// client/main.ts
var main = part(document, "main", HTMLElement);
var nav = part(document, "nav", HTMLElement);
var connection = byId("connection", HTMLElement);
var news = byId("news", HTMLElement);
var list = asList(byId("jobs", HTMLUListElement));
var keyForm = byId("key-form", HTMLFormElement);
var keyInput = byId("key", HTMLInputElement);
var createForm = byId("create-form", HTMLFormElement);
var showRules = makeFaults();
var requests = makeRequests();
var views = /* @__PURE__ */ new Map();
var cards = /* @__PURE__ */ new Map();
var server;
var whole = true;
var endings = {
  completed: "Completed",
  failed: "Failed",
  expired: "Expired"
};
var extend = async (id, prompt, seconds) => server === void 0 ? "Not connected" : submit(server, "/videos/extensions", { video: { id }, prompt, seconds });
var cardOf = (view) => {
  const made = makeCard(view, {
    promptOf: (id) => views.get(id)?.prompt,
    extend: server?.operations.includes("extend") ? extend : null
  });
  cards.set(view.id, made);
  list.prepend(made.node);
  return made;
};
var drop = (id) => {
  cards.get(id)?.remove();
  cards.delete(id);
  views.delete(id);
};
var showJobs = ({ changed, gone, total }) => {
  const told = [];
  if (whole) {
    const there = new Set(changed.map(({ id }) => id));
    for (const id of [...cards.keys()]) if (!there.has(id)) drop(id);
  }
  for (const id of gone) drop(id);
  for (const view of changed) {
    const before = views.get(view.id)?.phase;
    const ending = endings[view.phase];
    if (!whole && before !== view.phase && ending !== void 0) told.push(\`\${ending}: \${view.prompt}\`);
    views.set(view.id, view);
  }
  for (const view of changed) (cards.get(view.id) ?? cardOf(view)).show(view);
  whole = false;
  const count = total === 0 ? "" : total === 1 ? "1 job" : \`\${total} jobs\`;
  setText(byId("jobs-count", HTMLElement), total > cards.size ? \`the newest \${cards.size} of \${count}\` : count);
  byId("jobs-none", HTMLElement).hidden = total > 0;
  if (told.length > 0) setText(news, told.join(". "));
};
var showServer = (told) => {
  server = told;
  whole = true;
  requests.clear();
  keyForm.hidden = true;
  main.hidden = false;
  nav.hidden = false;
  setText(byId("where", HTMLElement), \`\${location.host}\${told.dialect === "openai" ? "" : \`, like \${told.dialect}\`}\`);
  setText(byId("base-url", HTMLElement), location.origin + told.basePath);
  createForm.hidden = !told.operations.includes("create");
};
var states = {
  live: "Live",
  waiting: "Not connected, trying again"
};
var listener = {
  onFrame: (name, data) => {
    const frames = { [name]: data };
    if (frames.server !== void 0) showServer(frames.server);
    if (frames.jobs !== void 0) showJobs(frames.jobs);
    if (frames.faults !== void 0) showRules(frames.faults);
    if (frames.requests !== void 0) requests.add(frames.requests);
  },
  onState: (state) => {
    connection.hidden = state === "locked";
    if (state === "locked") {
      const tried = keyInput.value !== "";
      main.hidden = true;
      nav.hidden = true;
      keyForm.hidden = false;
      setText(byId("key-error", HTMLElement), tried ? "The server does not know this key." : "");
      keyInput.value = "";
      keyInput.focus();
      return;
    }
    connection.dataset.state = state;
    setText(connection, states[state]);
  }
};
keyForm.addEventListener("submit", (event) => {
  event.preventDefault();
  setKey(keyInput.value);
  void listen(listener);
});
createForm.addEventListener("submit", async (event) => {
  event.preventDefault();
  const send = part(createForm, "button", HTMLButtonElement);
  const problem = part(createForm, ".problem", HTMLElement);
  if (server === void 0 || send.disabled) return;
  const text = (name) => String(new FormData(createForm).get(name));
  send.disabled = true;
  setText(problem, "");
  const fields = { prompt: text("prompt"), seconds: text("seconds"), size: text("size"), model: "sora-2" };
  const why = await submit(server, "/videos", fields);
  send.disabled = false;
  setText(problem, why ?? "");
  if (why === null) byId("create-prompt", HTMLInputElement).value = "";
});
addEventListener("hashchange", () => {
  const id = decodeURIComponent(location.hash.slice(1));
  for (const key2 of cards.keys()) if (anchorOf(key2) === id) cards.get(key2)?.node.focus({ preventScroll: true });
});
void listen(listener);
`
