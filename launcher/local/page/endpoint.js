// The endpoint that served this page: what it says of itself, and what it predicts.

const DESCRIPTION_SECONDS = 10;
const INVOCATION_SECONDS = 70; // the endpoint itself gives up after 60
const RETRY_SECONDS = 3;

/** What went wrong, in words for a person; `retrySeconds` is set where waiting may help. */
export class EndpointError extends Error {
  constructor(message, retrySeconds) {
    super(message);
    this.retrySeconds = retrySeconds;
  }
}

/** {"labels": [...], "shape": [1, 28, 28], "kind": "classifier" or "script", ...} */
export function describe() {
  return ask("description", {}, DESCRIPTION_SECONDS);
}

/** The predictions for images of 784 numbers from 0 to 255, in one request. */
export async function predict(images) {
  const body = JSON.stringify({ instances: images });
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  const answer = await ask("invocations", { method: "POST", headers, body }, INVOCATION_SECONDS);
  if (answer.predictions?.length !== images.length) {
    throw new EndpointError("The endpoint answered something other than one prediction for each image.");
  }
  return answer.predictions;
}

/**
 * submit(request) for a `send` of which one call runs at a time: meanwhile the latest request waits, and replaces the
 * one that waited before it.
 */
export function oneAtATime(send) {
  let busy = false;
  let waiting = null;
  return async function submit(request) {
    waiting = request;
    if (busy) return;
    busy = true;
    try {
      while (waiting) {
        const latest = waiting;
        waiting = null;
        await send(latest);
      }
    } finally {
      busy = false;
    }
  };
}

async function ask(path, options, seconds) {
  let response, text;
  try {
    response = await fetch(path, { ...options, cache: "no-store", signal: AbortSignal.timeout(seconds * 1000) });
    text = await response.text();
  } catch (error) {
    throw new EndpointError(
      error.name === "TimeoutError"
        ? `The endpoint has not answered for ${seconds} seconds.`
        : "The endpoint does not answer: it may have been stopped. It is asked again until it is back.",
      RETRY_SECONDS,
    );
  }
  const content = parse(text);
  if (!response.ok) throw refusal(response, content);
  if (!content) throw new EndpointError("The endpoint answered something other than JSON.");
  return content;
}

function refusal(response, content) {
  const message = sentence(content?.error ?? `the endpoint answered with status ${response.status}`);
  const busy = response.status === 503;
  return new EndpointError(message, busy ? Number(response.headers.get("Retry-After")) || RETRY_SECONDS : undefined);
}

/** A message of a program as a sentence. */
export function sentence(message) {
  return message.charAt(0).toUpperCase() + message.slice(1) + (/[.!?]$/.test(message) ? "" : ".");
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
