import { localRestoreHost } from '../../../src/restore/host/local-restore-host.ts';
import type { RestoreHost } from '../../../src/restore/host/restore-host.ts';
import { systemClock } from '../../../src/shared/clock.ts';
import type { Context } from '../../../src/shared/context.ts';
import { silentLog } from '../../../src/shared/log.ts';
import { silentProgress } from '../../../src/shared/progress.ts';

/** A context that keeps what the user is told, and the bytes that progress was told of. */
export function aContext(rest: Partial<Context> = {}): Context & { readonly told: string[]; readonly advances: number[] } {
  const told: string[] = [];
  const advances: number[] = [];
  const tell = (level: string) => (text: string) => void told.push(`${level}: ${text}`);
  return {
    told,
    advances,
    clock: systemClock,
    log: silentLog,
    messages: {
      info: tell('INFO'),
      warning: tell('WARNING'),
      error: tell('ERROR'),
      exception: tell('EXCEPTION'),
      debug: tell('DEBUG'),
    },
    progress: { ...silentProgress, advance: (bytes) => void advances.push(bytes) },
    signal: new AbortController().signal,
    ...rest,
  };
}

/** This host, with the programs of its PATH. */
export function aRestoreHost(): RestoreHost {
  const programPath = process.env['PATH'] ?? '';
  return localRestoreHost({ programPath, environment: process.env, signal: new AbortController().signal });
}
