// Speaks to the studio's server. Every address is relative, below the path that only this page knows.

export class ApiError extends Error {
  /**
   * @param {number} status 0 where no answer came
   * @param {{ code: string, message: string, hint: string }} error
   */
  constructor(status, error) {
    super(error.message);
    this.status = status;
    this.code = error.code;
    this.hint = error.hint;
  }
}

/**
 * @param {string} path
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export function get(path, signal) {
  return asked(path, { signal });
}

/**
 * @param {string} path
 * @param {unknown} body JSON, or a blob that is sent as bytes
 * @param {{ signal?: AbortSignal, keepalive?: boolean }} [options]
 * @returns {Promise<any>}
 */
export function post(path, body, options = {}) {
  const isBlob = body instanceof Blob;
  return asked(path, {
    method: "POST",
    headers: { "Content-Type": isBlob ? "application/octet-stream" : "application/json" },
    body: isBlob ? body : JSON.stringify(body),
    ...options,
  });
}

/**
 * @param {string} path
 * @param {RequestInit} init
 */
async function asked(path, init) {
  let answer;
  try {
    answer = await fetch(path, { ...init, credentials: "same-origin" });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, { code: "no_answer", message: "no answer", hint: "" });
  }
  const found = await answer.json().catch(() => null);
  if (answer.ok && found !== null) return found;
  const known = found?.error ?? { code: `http_${answer.status}`, message: answer.statusText, hint: "" };
  throw new ApiError(answer.status, known);
}
