import { Player as Plain } from './base.js';

export class Player extends Plain {
  async feed() {
    await this.sleep(12000);
    await super.feed();
  }
}
