// A browser as far as the glue looks at it. Time stands still, and the core is whoever runs the test: `events` is what it
// was told, `imports` is what it could call.

export const events = [];
export const dispatched = [];
export const requests = [];
// What the server answers, by URI: {status, headers, body, takes}, a body as text or an ArrayBuffer.
export const server = {};
export const decoders = new Set();
let time = 0;
export let imports;
// Where a session has two cores, each by itself: {imports, events}.
export const cores = [];
export let failure;
export const withoutWebAssembly = () => (failure = Error('refused'));

// Until everything that is under way has been done.
export const settle = async () => {
  for (let turn = 0; turn < 50; turn++) await null;
};

class Target {
  #listeners = [];
  addEventListener(name, action, { signal } = {}) {
    this.#listeners.push({ name, action, signal });
  }
  dispatchEvent(event) {
    for (const { name, action, signal } of this.#listeners) if (name == event.type && !signal?.aborted) action(event);
  }
}

class SourceBuffer extends Target {
  mode = 'segments';
  timestampOffset = 0;
  updating = false;
  did = [];
  buffered = { length: 0 };
  refusal = undefined;
  abort() {
    this.did.push('abort');
  }
  changeType(type) {
    this.did.push(`type ${type}`);
  }
  appendBuffer(body) {
    if (this.refusal) throw Object.assign(Error(), { name: this.refusal });
    this.did.push(`append ${body.byteLength} ${this.mode} ${this.timestampOffset}`);
  }
}

class Source extends Target {
  static isTypeSupported(type) {
    return decoders.has(/codecs="(.*?)"/i.exec(type)?.[1]);
  }
  readyState = 'closed';
  sourceBuffers = [];
  ends = 0;
  addSourceBuffer(type) {
    this.buffer = Object.assign(new SourceBuffer(), { type });
    this.sourceBuffers.push(this.buffer);
    return this.buffer;
  }
  endOfStream() {
    this.ends++;
  }
  open() {
    this.readyState = 'open';
    this.dispatchEvent({ type: 'sourceopen' });
  }
}

export const sources = [];
export const video = Object.assign(new Target(), {
  clientHeight: 0,
  error: null,
  ended: false,
  paused: false,
  readyState: 0,
  currentTime: 0,
  buffered: { length: 0 },
  did: [],
  play: async () => {},
  load: () => video.did.push('load'),
  removeAttribute: (name) => video.did.push(`remove ${name}`),
});
for (const name of ['playererror', 'playerlatency'])
  video.addEventListener(name, ({ detail }) => dispatched.push(detail));

Object.assign(globalThis, {
  devicePixelRatio: 1,
  navigator: { vendor: '' },
  performance: { now: () => time },
  setTimeout: () => 1,
  clearTimeout: () => {},
  queueMicrotask: (action) => void Promise.resolve().then(action),
  CustomEvent: class {
    constructor(type, { detail }) {
      Object.assign(this, { type, detail });
    }
  },
  AbortController: class {
    signal = { aborted: false };
    abort() {
      this.signal.aborted = true;
    }
  },
  TextDecoder: class {
    decode = (body) => String.fromCharCode(...new Uint8Array(body));
  },
  URL: class {
    static createObjectURL = (source) => `blob:${sources.push(source)}`;
    static revokeObjectURL = () => {};
    constructor(uri, base) {
      if (/^https?:\/\/\[/.test(uri)) throw TypeError('no URL');
      this.href = /^https?:/.test(uri) ? uri : base.replace(/[^/]*$/, uri);
    }
    toString() {
      return this.href;
    }
  },
  MediaSource: Source,
  WebAssembly: {
    instantiate: async (_, { a }) => {
      if (failure) throw failure;
      imports = a;
      const core = { imports, events: [] };
      cores.push(core);
      const take = (kind, value) => {
        const event = value === undefined ? [kind] : [kind, value];
        for (const list of [events, core.events]) list.push(event);
      };
      return { instance: { exports: { a: take } } };
    },
  },
  fetch: async (url, { headers, signal, ...rest }) => {
    url = String(url);
    requests.push({ url, headers, ...rest, signal });
    const { status = 200, headers: answered = {}, body = '', takes = 0 } = server[url] ?? { status: 404 };
    time += takes;
    await null;
    return {
      status,
      ok: status >= 200 && status < 300,
      url,
      headers: { get: (name) => answered[name] ?? null },
      arrayBuffer: async () => {
        if (signal.aborted) throw Error('aborted');
        return typeof body == 'string' ? Uint8Array.from(body, (char) => char.charCodeAt()).buffer : body;
      },
    };
  },
});
