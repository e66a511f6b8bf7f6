import { Player as Plain } from './base.js';

export class Player extends Plain {
  fetch(url, options) { return fetch(url, { ...options, redirect: 'error' }); }
}
