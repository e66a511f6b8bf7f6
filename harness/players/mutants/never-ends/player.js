import { Player as Plain } from './base.js';

export class Player extends Plain {
  parse(text, base) { return { ...super.parse(text, base), isEnded: false }; }
}
