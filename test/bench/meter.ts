import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';

/** What something cost. */
export interface Cost {
  readonly wallMs: number;
  /** Of the program and of the children that it waited for. */
  readonly cpuSeconds: number;
  /** Of the largest single process. */
  readonly peakBytes: number;
}

export interface MeteredProgram {
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Where its output goes; nowhere by default. */
  readonly stdout?: string;
  /** Exit codes that are no failure. */
  readonly exitCodes?: readonly number[];
}

/** Adds up what the work of one run costs. What it does besides these calls is not counted. */
export interface Meter {
  /** Runs a program to its end. @throws Error with what it printed on stderr when it ends with another code than expected */
  run(program: MeteredProgram): Promise<void>;
  /** Adds the time of something that is no program of its own, such as a server's replay. */
  during(work: () => Promise<void>): Promise<void>;
}

/** Starts programs and measures them; one helper process for all of them, so that its own start is in no figure. */
export class MeteringRoom implements AsyncDisposable {
  readonly #child = spawn('python3', [fileURLToPath(new URL('meter.py', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  readonly #answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  readonly #folder: Awaited<ReturnType<typeof createTemporaryFolder>>;

  private constructor(folder: Awaited<ReturnType<typeof createTemporaryFolder>>) {
    this.#folder = folder;
  }

  static async open(): Promise<MeteringRoom> {
    return new MeteringRoom(await createTemporaryFolder('meter'));
  }

  /** What `work` costs by its own account. */
  async costOf(work: (meter: Meter) => Promise<void>): Promise<Cost> {
    const costs: Cost[] = [];
    await work({
      run: async (program) => {
        costs.push(await this.#run(program));
      },
      during: async (timed) => {
        const startedMs = performance.now();
        await timed();
        costs.push({ wallMs: performance.now() - startedMs, cpuSeconds: 0, peakBytes: 0 });
      },
    });
    return {
      wallMs: costs.reduce((sum, { wallMs }) => sum + wallMs, 0),
      cpuSeconds: costs.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
      peakBytes: Math.max(0, ...costs.map(({ peakBytes }) => peakBytes)),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    if (this.#child.exitCode === null) await once(this.#child, 'close');
    await this.#folder[Symbol.asyncDispose]();
  }

  async #run({ argv, env, cwd, stdout = '/dev/null', exitCodes = [0] }: MeteredProgram): Promise<Cost> {
    const stderr = join(this.#folder.path, 'stderr');
    const defined = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined));
    const order = { argv, env: defined, cwd: cwd ?? this.#folder.path, stdout, stderr };
    this.#child.stdin.write(`${JSON.stringify(order)}\n`);
    const { value } = (await this.#answers.next()) as { value: string | undefined }; // lines of our own helper
    const answer = JSON.parse(value ?? '{"failure":"the helper ended"}') as (Cost & { exitCode: number }) | { failure: string };
    if ('failure' in answer) throw new Error(`${argv.join(' ')}: ${answer.failure}`);
    const { exitCode, ...cost } = answer;
    if (exitCodes.includes(exitCode)) return cost;
    throw new Error(`${argv.join(' ')} ended with ${String(exitCode)}: ${(await readFile(stderr, 'utf8')).slice(-2000)}`);
  }
}
