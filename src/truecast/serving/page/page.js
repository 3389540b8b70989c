"use strict";
// Draws /openapi.json and lets a person try each route. Nothing is loaded from elsewhere, and all
// text is set as text, never as HTML.

function make(tag, text, ...children) {
  const node = document.createElement(tag);
  if (text) node.textContent = text;
  node.append(...children);
  return node;
}

// Text with `code` in it.
function words(tag, text) {
  const parts = (text || "").split("`");
  return make(tag, "", ...parts.map((part, place) => (place % 2 ? make("code", part) : part)));
}

function shown(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

function examplesOf(content) {
  const media = Object.values(content || {})[0] || {};
  if (media.example !== undefined) return [{ summary: "", value: media.example }];
  return Object.values(media.examples || {});
}

function field(parameter) {
  const schema = parameter.schema || {};
  const kinds = schema.anyOf || [schema];
  const choices = kinds.flatMap((kind) => kind.enum || []);
  const input = make(choices.length ? "select" : "input");
  for (const choice of choices.length ? ["", ...choices] : []) {
    input.append(make("option", choice));
  }
  input.value = schema.default ?? "";
  const label = make("label", parameter.name, input);
  const about = parameter.description || schema.description;
  if (about) label.append(words("small", about));
  return { label, place: parameter.in, name: parameter.name, input };
}

function address(path, fields) {
  const query = new URLSearchParams();
  let filled = path;
  for (const { place, name, input } of fields) {
    if (place === "path") filled = filled.replace(`{${name}}`, encodeURIComponent(input.value));
    else if (input.value !== "") query.set(name, input.value);
  }
  const text = query.toString();
  return text ? `${filled}?${text}` : filled;
}

async function ask(method, where, body, status, answer) {
  const options = { method };
  if (body && body.value.trim()) {
    options.body = body.value;
    options.headers = { "Content-Type": "application/json" };
  }
  const started = performance.now();
  try {
    const response = await fetch(where, options);
    const text = await response.text();
    const took = (performance.now() - started).toFixed(1);
    status.textContent = `${method} ${where} → ${response.status}, ${took} ms`;
    status.className = response.ok ? "" : "failed";
    try {
      answer.textContent = shown(JSON.parse(text));
    } catch {
      answer.textContent = text;
    }
  } catch (error) {
    status.textContent = `The server does not answer (${error.message}): is it still running?`;
    status.className = "failed";
    answer.textContent = "";
  }
  answer.hidden = !answer.textContent;
}

function keysOf(content) {
  const schema = (Object.values(content)[0] || {}).schema || {};
  const list = make("ul");
  for (const [name, about] of Object.entries(schema.properties || {})) {
    const choices = (about.anyOf || []).flatMap((kind) => kind.enum || []);
    const told = [about.description, choices.length && `One of ${choices.join(", ")}.`];
    const rest = told.filter(Boolean).join(" ");
    list.append(words("li", `\`${name}\`${rest && `: ${rest}`}`));
  }
  return list;
}

function trial(path, method, route) {
  const fields = (route.parameters || []).map(field);
  const parts = fields.map(({ label }) => label);
  let body = null;
  if (route.requestBody) {
    body = make("textarea");
    body.rows = 5;
    body.setAttribute("aria-label", "Body");
    const examples = examplesOf(route.requestBody.content);
    const put = (example) => { body.value = shown(example.value); };
    for (const example of examples) {
      const button = make("button", example.summary);
      button.type = "button";
      button.addEventListener("click", () => put(example));
      parts.push(button);
    }
    if (examples.length) put(examples[0]);
    parts.push(body, keysOf(route.requestBody.content));
  }
  const send = make("button", "Send");
  send.type = "button";
  const status = make("p"), answer = make("pre");
  status.setAttribute("role", "status");
  answer.hidden = true;
  send.addEventListener("click", async () => {
    send.disabled = true;
    await ask(method.toUpperCase(), address(path, fields), body, status, answer);
    send.disabled = false;
  });
  return [make("h3", "Try it"), ...parts, send, status, answer];
}

function answers(route) {
  const parts = [make("h3", "Answers")];
  for (const [code, response] of Object.entries(route.responses || {})) {
    const box = make("details", "", make("summary", `${code}  ${response.description || ""}`));
    const inside = make("div");
    inside.className = "inside";
    for (const { summary, value } of examplesOf(response.content)) {
      if (summary) inside.append(make("h3", summary));
      inside.append(make("pre", shown(value)));
    }
    if (inside.children.length) box.append(inside);
    parts.push(box);
  }
  return parts;
}

function drawRoute(path, method, route) {
  const name = make("b", method.toUpperCase());
  name.className = method;
  const head = make("summary", "", name, make("code", path), make("span", route.summary));
  const inside = make("div");
  inside.className = "inside";
  if (route.description) inside.append(words("p", route.description));
  inside.append(...trial(path, method, route), ...answers(route));
  const box = make("details", "", head, inside);
  box.open = path === "/predict";
  return box;
}

function drawServed(index) {
  const line = document.getElementById("served");
  line.textContent = index.serves.length
    ? `Version ${index.version}, serving ${index.serves.map((one) => one.slot).join(", ")}.`
    : `Version ${index.version}. No model has been promoted yet: run truecast run sp500-daily`;
}

async function read(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path} answers ${response.status}`);
  return response.json();
}

async function draw() {
  const api = await read("/openapi.json");
  document.getElementById("about").textContent = `${api.info.summary} ${api.info.description}`;
  const routes = document.getElementById("routes");
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, route] of Object.entries(methods)) {
      routes.append(drawRoute(path, method, route));
    }
  }
  const problems = document.getElementById("problems");
  for (const kind of await read("/docs/problems.json")) {
    const term = make("dt", `${kind.status} ${kind.title}`);
    term.id = kind.name;
    problems.append(term, words("dd", `${kind.name}: ${kind.what_to_do}`));
  }
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  drawServed(await read("/"));
}

draw().catch((error) => {
  document.getElementById("served").textContent = `This page could not be drawn: ${error.message}`;
});
