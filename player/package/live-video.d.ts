import type { Session } from './player.js';

/** `<live-video src patience>`: plays in the video element inside of it, or in one that it makes. */
export class LiveVideo extends HTMLElement {
  /** Where it plays; nothing before the element has been part of a document. */
  readonly video?: HTMLVideoElement;
  /** What is being played, if something is. */
  readonly session?: Session;
}

declare global {
  interface HTMLElementTagNameMap {
    'live-video': LiveVideo;
  }
}
