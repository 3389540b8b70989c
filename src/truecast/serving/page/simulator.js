"use strict";
// Sends articles and shows what stands in the file. All text is set as text, never as HTML.

const by = (id) => document.getElementById(id);

function make(tag, text, ...children) {
  const node = document.createElement(tag);
  if (text) node.textContent = text;
  node.append(...children);
  return node;
}

function say(text, failed = false) {
  by("said").textContent = text;
  by("said").className = failed ? "failed" : "";
}

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json" },
  };
  const response = await fetch(path, options);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail || `${path} answers ${response.status}`);
  return answer;
}

function signed(score) {
  return (score > 0 ? "+" : "") + score.toFixed(2).replace("-", "−");
}

function drawStatistics(found) {
  by("file").textContent = found.file;
  const mean = found.mean_score === null ? "–" : signed(found.mean_score);
  const lines = {
    "In the file": found.total,
    "Positive": found.positive,
    "Negative": found.negative,
    "Neutral": found.neutral,
    "Your own": found.custom,
    "Mean score": mean,
  };
  if (found.unreadable) lines["Not readable"] = found.unreadable;
  by("statistics").replaceChildren(
    ...Object.entries(lines).flatMap(([name, value]) => [make("dt", name), make("dd", String(value))]),
  );
  const stream = found.stream;
  by("stop").disabled = !stream.running;
  by("start").textContent = stream.running ? "Restart" : "Start";
  let text = stream.sent ? `stopped after ${stream.sent}` : "not running";
  if (stream.running) text = `${stream.kind}, every ${stream.every_seconds} s: ${stream.sent} sent`;
  if (stream.error) text = stream.error;
  by("running").textContent = text;
  by("running").className = stream.error ? "failed" : "";
}

function drawArticle(article) {
  const what = make("td", article.headline);
  if (article.body !== article.headline) what.append(make("small", article.body));
  const row = make(
    "tr",
    "",
    make("td", String(article.streamed_at).slice(0, 19).replace("T", " ")),
    make("td", (article.symbols || []).join(", ")),
    make("td", signed(Number(article.sentiment_score))),
    what,
  );
  row.className = article.sentiment_type;
  return row;
}

let shown = "";

async function refresh() {
  try {
    const found = await ask("/api/stats");
    drawStatistics(found);
    const state = `${found.total} ${found.last_at}`;
    if (state !== shown) {
      const articles = await ask("/api/articles?limit=50");
      if (articles.length) by("articles").replaceChildren(...articles.map(drawArticle));
      shown = state;
    }
  } catch (error) {
    say(`The simulator does not answer (${error.message}): is it still running?`, true);
  }
}

async function act(work) {
  try {
    say(await work());
  } catch (error) {
    say(error.message, true);
  }
  await refresh();
}

const about = () => ({ instrument: by("instrument").value.trim() });

for (const button of document.querySelectorAll("[data-kind]")) {
  button.addEventListener("click", () => act(async () => {
    const answer = await ask(`/api/stream/${button.dataset.kind}`, about());
    return `Sent: ${answer.article.headline}`;
  }));
}

by("custom").addEventListener("submit", (event) => {
  event.preventDefault();
  act(async () => {
    const title = by("title").value.trim() || null;
    const answer = await ask("/api/stream/custom", { ...about(), title, text: by("text").value });
    by("custom").reset();
    return `Sent as ${answer.article.sentiment_type}: ${answer.article.headline}`;
  });
});

by("start").addEventListener("click", () => act(async () => {
  const every = Number(by("every").value);
  await ask("/api/stream/start", { ...about(), kind: by("kind").value, every_seconds: every });
  return "The stream runs.";
}));

by("stop").addEventListener("click", () => act(async () => {
  const stream = await ask("/api/stream/stop", {});
  return `The stream has stopped after ${stream.sent}.`;
}));

by("reload").addEventListener("click", () => act(async () => {
  const found = await ask("/api/reload", {});
  return `Counted ${found.total} articles.`;
}));

refresh();
setInterval(refresh, 1000);
