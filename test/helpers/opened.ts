/** What a `describe` shares between its tests: `afterAll(() => opened.close())` closes it, newest first, also after half a start. */
export class Opened {
  readonly #things: AsyncDisposable[] = [];

  async add<T extends AsyncDisposable>(opening: Promise<T>): Promise<T> {
    const thing = await opening;
    this.#things.push(thing);
    return thing;
  }

  async close(): Promise<void> {
    for (const thing of this.#things.splice(0).toReversed()) await thing[Symbol.asyncDispose]();
  }
}
