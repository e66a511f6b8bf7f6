import { Player as Plain } from './base.js';

export class Player extends Plain {
  async appendInit(bytes) {
    return (await super.appendInit(bytes)) && super.appendInit(bytes);
  }
}
