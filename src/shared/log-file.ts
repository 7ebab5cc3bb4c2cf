import { closeSync, fstatSync, mkdirSync, openSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import { messageOf, systemCodeOf } from './operator-error.ts';
import { shownLine } from './shown-text.ts';
import { formatLongTime, localTimestamp } from './timestamp.ts';

interface LogFileOptions {
  /** Undefined logs to `stderr`. */
  readonly path: string | undefined;
  /** `log_format`: text with `%(asctime)s`, `%(process)d`, `%(name)s`, `%(levelname)s`, `%(message)s`. */
  readonly format: string;
  /** `log_level`: a name (`INFO`) or a number (`20`). */
  readonly level: string | number;
  readonly clock: Pick<Clock, 'now' | 'elapsedMs'>;
  readonly pid: number;
  readonly stderr: { write(text: string): unknown };
}

interface Entry {
  readonly level: LevelName;
  readonly name: string;
  readonly text: string;
}

interface OpenFile {
  readonly descriptor: number;
  readonly device: number;
  readonly inode: number;
}

const levels = { DEBUG: 10, INFO: 20, WARNING: 30, ERROR: 40 } as const;
type LevelName = keyof typeof levels;
const moreLevelNames: Readonly<Record<string, number>> = { ...levels, NOTSET: 0, WARN: 30, CRITICAL: 50, FATAL: 50 };
const rotationCheckMs = 1000;

/**
 * The log of this process (docs/reference/cli.md section 1.4): each record is one appended write, done before the call returns, so a short-lived
 * process loses nothing. The folder is made; a rotated file is opened anew; a file that cannot be opened or written is told about
 * once, and the records go to `stderr` until it can. Secrets are blanked, and the lines of one record stay together by an indent.
 */
export function openLogFile(options: LogFileOptions): Log {
  const threshold = thresholdOf(options.level);
  const sink = options.path === undefined ? options.stderr : new RotatedFile(options.path, options.clock, options.stderr);
  const write = (entry: Entry): void => {
    if (levels[entry.level] >= threshold) sink.write(`${formatEntry(entry, options)}\n`);
  };
  return logNamed('pgcellar', write);
}

/** Blanks `password=…` in connection strings and the password of `postgresql://` addresses (docs/reference/cli.md section 1.4). */
export function redactSecrets(text: string): string {
  return text
    .replaceAll(/(password[ \t]*=[ \t]*)('(?:[^'\\\n]|\\.)*'?|"(?:[^"\\\n]|\\.)*"?|(?:[^\s'"\\]|\\.)+)/gi, '$1*REDACTED*')
    .replaceAll(/(\bpostgres(?:ql)?:\/\/[^:/@\s]*:)[^@\s]*@/gi, '$1*REDACTED*@');
}

function logNamed(name: string, write: (entry: Entry) => void): Log {
  return {
    debug: (text) => write({ level: 'DEBUG', name, text }),
    info: (text) => write({ level: 'INFO', name, text }),
    warning: (text) => write({ level: 'WARNING', name, text }),
    error: (text) => write({ level: 'ERROR', name, text }),
    named: (more) => logNamed(`${name}.${more}`, write),
  };
}

/** Level names are case-sensitive to Barman; we take any case. What is no level at all logs as INFO does. */
function thresholdOf(level: string | number): number {
  const number = Number(level);
  if (String(level).trim() !== '' && !Number.isNaN(number)) return number;
  return moreLevelNames[String(level).trim().toUpperCase()] ?? levels.INFO;
}

function formatEntry({ level, name, text }: Entry, { format, clock, pid }: LogFileOptions): string {
  const values: Readonly<Record<string, string>> = {
    asctime: timeText(clock.now()),
    process: String(pid),
    name,
    levelname: level,
    levelno: String(levels[level]),
    message: oneRecord(redactSecrets(text)),
  };
  return format.replaceAll(/%%|%\((\w+)\)([-0]?)(\d*)[sd]/g, (found: string, key?: string, flag?: string, width?: string) => {
    if (key === undefined) return '%';
    const value = values[key];
    if (value === undefined) return found;
    if (flag === '-') return value.padEnd(Number(width));
    return value.padStart(Number(width), flag === '0' ? '0' : ' ');
  });
}

/** `2026-01-31 10:15:00,123` by this host's clock. */
function timeText(date: Date): string {
  return `${formatLongTime(localTimestamp(date)).slice(0, 19)},${String(date.getUTCMilliseconds()).padStart(3, '0')}`;
}

/** Only a record begins at the left margin: nothing that was logged can pass for one. */
function oneRecord(text: string): string {
  const lines = text.trimEnd().split(/\r\n|[\r\n\v\f\u0085\u2028\u2029]/);
  return lines.map(shownLine).join('\n    ');
}

class RotatedFile {
  readonly #path: string;
  readonly #clock: Pick<Clock, 'elapsedMs'>;
  readonly #stderr: LogFileOptions['stderr'];
  #file: OpenFile | undefined;
  #checkedMs: number;
  #hasWarned = false;

  constructor(path: string, clock: Pick<Clock, 'elapsedMs'>, stderr: LogFileOptions['stderr']) {
    this.#path = path;
    this.#clock = clock;
    this.#stderr = stderr;
    this.#checkedMs = clock.elapsedMs();
    this.#open();
  }

  write(line: string): void {
    this.#reopenWhenDue();
    if (!this.#append(line)) this.#stderr.write(line);
  }

  #reopenWhenDue(): void {
    const now = this.#clock.elapsedMs();
    if (now - this.#checkedMs < rotationCheckMs) return;
    this.#checkedMs = now;
    if (this.#file !== undefined && isStillAt(this.#path, this.#file)) return;
    if (this.#file !== undefined) closeSync(this.#file.descriptor);
    this.#file = undefined;
    this.#open();
  }

  #open(): void {
    try {
      mkdirSync(dirname(this.#path), { recursive: true });
      const descriptor = openSync(this.#path, 'a');
      const { dev, ino } = fstatSync(descriptor);
      this.#file = { descriptor, device: dev, inode: ino };
    } catch (error) {
      this.#warn('opened', error);
    }
  }

  #append(line: string): boolean {
    if (this.#file === undefined) return false;
    try {
      writeSync(this.#file.descriptor, line);
      return true;
    } catch (error) {
      this.#warn('written', error);
      return false;
    }
  }

  #warn(what: string, error: unknown): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    const reason = systemCodeOf(error) ?? messageOf(error);
    this.#stderr.write(`WARNING: the log file ${this.#path} cannot be ${what} (${reason}); logging to stderr\n`);
  }
}

function isStillAt(path: string, { device, inode }: OpenFile): boolean {
  try {
    const { dev, ino } = statSync(path);
    return dev === device && ino === inode;
  } catch {
    return false; // whatever the reason, opening it anew tells
  }
}
