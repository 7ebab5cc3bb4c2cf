import type { Messages } from './messages.ts';

/**
 * Messages of several concurrent workers, in the order of the workers: the first one's words as they come, the others' when all
 * before them are done.
 */
export class MessagesInTurn {
  readonly #messages: Messages;
  readonly #waiting: Turn[] = [];

  constructor(messages: Messages) {
    this.#messages = messages;
  }

  /** A turn behind those that were given before. `done` lets the next one speak. */
  turn(): { readonly messages: Messages; readonly done: () => void } {
    const turn = new Turn();
    this.#waiting.push(turn);
    const say = (tell: (messages: Messages) => void): void => {
      if (this.#waiting[0] === turn) tell(this.#messages);
      else turn.held.push(tell);
    };
    return {
      messages: {
        info: (text, options) => say((messages) => messages.info(text, options)),
        warning: (text, options) => say((messages) => messages.warning(text, options)),
        error: (text, options) => say((messages) => messages.error(text, options)),
        exception: (text) => say((messages) => messages.exception(text)),
        debug: (text) => say((messages) => messages.debug(text)),
      },
      done: () => {
        turn.isDone = true;
        this.#advance();
      },
    };
  }

  #advance(): void {
    for (let first = this.#waiting[0]; first?.isDone === true; first = this.#waiting[0]) {
      this.#waiting.shift();
      const [next] = this.#waiting;
      if (next !== undefined) for (const tell of next.held.splice(0)) tell(this.#messages);
    }
  }
}

class Turn {
  readonly held: ((messages: Messages) => void)[] = [];
  isDone = false;
}
