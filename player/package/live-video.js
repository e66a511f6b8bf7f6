// <live-video src="https://example.com/live.m3u8"></live-video>
//
// Plays in the video element inside of it, or in one that it makes; `patience` is an attribute, too. The session ends when the
// element or its `src` is taken away. What the player tells the video element it tells this one as well.
import { play } from './player.js';

export class LiveVideo extends HTMLElement {
  static observedAttributes = ['src', 'patience'];

  connectedCallback() {
    if (!this.video) {
      this.video = this.querySelector('video');
      if (!this.video) {
        this.video = document.createElement('video');
        this.video.controls = this.video.playsInline = true;
        this.append(this.video);
      }
      for (const name of ['playererror', 'playerlatency'])
        this.video.addEventListener(name, ({ detail }) => this.dispatchEvent(new CustomEvent(name, { detail })));
    }
    this.attributeChangedCallback();
  }

  disconnectedCallback() {
    this.session?.stop();
    this.session = undefined;
  }

  attributeChangedCallback() {
    this.disconnectedCallback();
    const src = this.getAttribute('src');
    // While the element is being made its attributes come one by one, and before its children.
    if (src && this.video && this.isConnected)
      this.session = play(new URL(src, this.baseURI).href, this.video, { patience: +this.getAttribute('patience') });
  }
}

customElements.define('live-video', LiveVideo);
