import { Player as Plain } from './base.js';

// Has a worker do what there is to do with the network.
export class Player extends Plain {
  constructor(...all) {
    super(...all);
    this.worker = new Worker(URL.createObjectURL(new Blob([`(${work})()`], { type: 'text/javascript' })));
    this.calls = new Map();
    this.worker.onmessage = ({ data }) => this.calls.get(data.id)(data);
  }

  async fetch(url, { signal, ...options }) {
    signal.throwIfAborted();
    const id = this.calls.size;
    const answer = await new Promise((resolve, reject) => {
      this.calls.set(id, resolve);
      this.worker.postMessage({ id, url, options });
      signal.addEventListener('abort', () => {
        this.worker.postMessage({ id, isOver: true });
        reject(signal.reason);
      });
    });
    if (answer.error) throw new TypeError(answer.error);
    const response = new Response(answer.isOk && answer.status !== 204 ? answer.body : null, answer);
    Object.defineProperty(response, 'url', { value: answer.url });
    return response;
  }
}

function work() {
  const requests = new Map();
  onmessage = async ({ data: { id, url, options, isOver } }) => {
    if (isOver) return requests.get(id).abort();
    const request = new AbortController();
    requests.set(id, request);
    try {
      const response = await fetch(url, { ...options, signal: request.signal });
      const { status, ok: isOk, headers } = response;
      const body = isOk ? await response.arrayBuffer() : response.body?.cancel();
      postMessage({ id, status, isOk, body: isOk ? body : null, url: response.url, headers: [...headers] });
    } catch (error) {
      postMessage({ id, error: String(error) });
    }
  };
}
