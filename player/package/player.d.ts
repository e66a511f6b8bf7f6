/** What `play` takes besides a URL and a video element. */
export interface Options {
  /** Is added to every request; `headers` are a plain object, and `cache` is `no-store` if it is not given. */
  fetch?: Omit<RequestInit, 'headers' | 'signal'> & { headers?: Record<string, string> };
  /** For how many seconds a playlist that answers 404 or 410 is waited for; 0 if it is not given. */
  patience?: number;
}

/** One stream in one video element. */
export interface Session {
  /** Ends every request, timer and listener, and takes the stream off the element. */
  stop(): void;
}

/** `detail` of the event `playererror`. */
export interface PlayerError {
  /** 0 and 1 are no end; the others are: see the README. */
  code: 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;
  /** The session is over. */
  fatal: boolean;
  message: string;
}

/** Plays the live HLS stream at `url` in a video element. */
export function play(url: string, video: HTMLVideoElement, options?: Options): Session;

declare global {
  interface HTMLElementEventMap {
    playererror: CustomEvent<PlayerError>;
    /** Seconds behind the end of the playlist. */
    playerlatency: CustomEvent<number>;
  }
}
