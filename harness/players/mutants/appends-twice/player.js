import { Player as Plain } from './base.js';

export class Player extends Plain {
  async appendMedia(bytes, segment) {
    return (await super.appendMedia(bytes, segment)) && super.appendMedia(bytes, segment);
  }
}
