import { Player as Plain } from './base.js';

export class Player extends Plain {
  async reload() {
    const answer = await super.reload();
    if (answer.text === undefined) await new Promise(() => {});
    return answer;
  }
}
