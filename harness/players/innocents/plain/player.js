export { Player } from './base.js';
