import { cpus, release, totalmem } from 'node:os';
import { requireOracle } from '../helpers/installations.ts';
import { runProgram } from '../helpers/run-program.ts';

/** The machine in one line: figures mean nothing without it. */
export async function describeMachine(): Promise<string> {
  const processors = cpus();
  const { stdout } = await runProgram(['stat', '--file-system', '--format=%T', '/tmp'], { env: process.env });
  return [
    `${String(processors.length)} x ${processors[0]?.model.trim() ?? 'unknown processor'}`,
    `${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
    `Linux ${release()}`,
    `/tmp on ${stdout.trim()}`,
    `Node ${process.version}`,
    `Barman ${requireOracle().version}`,
  ].join(', ');
}
