import { formatLsn, type Lsn } from '../wal/lsn.ts';

interface ReceivewalOptions {
  /** Path of `pg_receivewal`. */
  readonly program: string;
  /** Connection string without password. */
  readonly connection: string;
  readonly folder: string;
  readonly slotName: string | undefined;
  /** The server waits for us before it acknowledges commits. */
  readonly isSynchronous: boolean;
  /** Where it ends by itself. */
  readonly endLsn?: Lsn;
}

/** Command line of the WAL receiver (docs/reference/engine.md section 9.2). */
export function receivewalArguments({
  program,
  connection,
  folder,
  slotName,
  isSynchronous,
  endLsn,
}: ReceivewalOptions): string[] {
  return [
    program,
    `--dbname=${connection}`,
    '--verbose',
    '--no-loop',
    '--no-password',
    `--directory=${folder}`,
    ...(slotName === undefined ? [] : [`--slot=${slotName}`]),
    ...(isSynchronous ? ['--synchronous'] : []),
    ...(endLsn === undefined ? [] : [`--endpos=${formatLsn(endLsn)}`]),
  ];
}
