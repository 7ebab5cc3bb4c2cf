interface LineOptions<T> {
  /** Enters a group, in the order of its positions; groups follow each other. */
  readonly enter: (group: readonly T[]) => Promise<void>;
  /** How long what is ready waits for those before it. */
  readonly patienceMs: number;
}

/** Items that share one visit to the index: fewer locks and syncs, and little to do again after a crash. */
const fewestPerGroup = 16;
const looksWithinPatience = 10;

/**
 * What is ready at any time, entered in the order of positions. An item that takes longer than the patience loses its turn: those behind
 * it are entered, and it follows when it is ready.
 */
export class EnteringLine<T> {
  readonly #options: LineOptions<T>;
  readonly #timer: NodeJS.Timeout;
  readonly #ready = new Map<number, T>();
  readonly #passed = new Set<number>();
  #front = 0;
  #looksAtFront = 0;
  #entering: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;

  constructor(options: LineOptions<T>) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), options.patienceMs / looksWithinPatience);
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Resolves when the line wants more: immediately, unless so much is ready that it has to be entered first. */
  async add(position: number, item: T): Promise<void> {
    this.#ready.set(position, item);
    if (this.#ready.size < fewestPerGroup) return;
    this.#enter(this.#takeInOrder());
    await this.#entering;
  }

  /**
   * Enters all that is left; nothing is added any more.
   * @returns the first failure, after which nothing was entered any more
   */
  async finish(): Promise<{ readonly error: unknown } | undefined> {
    clearInterval(this.#timer);
    this.#enter(this.#takeAll());
    await this.#entering;
    return this.#failure;
  }

  #look(): void {
    const group = this.#takeInOrder();
    this.#looksAtFront = group.length > 0 || this.#ready.size === 0 ? 0 : this.#looksAtFront + 1;
    this.#enter(this.#looksAtFront < looksWithinPatience ? group : this.#takeAll());
  }

  #takeInOrder(): T[] {
    const group: T[] = [];
    for (;;) {
      const item = this.#ready.get(this.#front);
      if (item === undefined && !this.#passed.delete(this.#front)) return group;
      if (item !== undefined) group.push(item);
      this.#ready.delete(this.#front);
      this.#front++;
    }
  }

  #takeAll(): T[] {
    const group = [...this.#ready].toSorted(([one], [other]) => one - other);
    for (const [position] of group) this.#passed.add(position);
    this.#ready.clear();
    return group.map(([, item]) => item);
  }

  #enter(group: readonly T[]): void {
    if (group.length === 0) return;
    this.#entering = this.#entering.then(async () => {
      if (this.#failure !== undefined) return;
      try {
        await this.#options.enter(group);
      } catch (error) {
        this.#failure = { error };
      }
    });
  }
}
