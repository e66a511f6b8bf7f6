import { Player as Plain } from './base.js';

// Asks by XMLHttpRequest.
export class Player extends Plain {
  fetch(url, { headers, signal }) {
    // A signal that has been aborted already fires no event.
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open('GET', url);
      request.responseType = 'arraybuffer';
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      for (const type of ['error', 'abort']) request.addEventListener(type, () => reject(new TypeError(type)));
      request.addEventListener('load', () => {
        const { status, response: body, responseURL } = request;
        const lines = request.getAllResponseHeaders().trim().split('\r\n').map((line) => line.split(': '));
        const response = new Response(status === 204 ? null : body, { status, headers: lines });
        Object.defineProperty(response, 'url', { value: responseURL });
        resolve(response);
      });
      signal.addEventListener('abort', () => request.abort());
      request.send();
    });
  }
}
