import { Player as Plain, type } from './base.js';

export class Player extends Plain {
  async appendInit(bytes) {
    const { source } = this;
    await this.opened;
    this.buffer = source.addSourceBuffer(type(bytes));
    this.buffer.mode = this.mode;
    this.type = type(bytes);
    return true;
  }
}
