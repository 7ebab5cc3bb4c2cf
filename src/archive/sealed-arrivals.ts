import type { BigIntStats } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServerLayout } from '../catalog/server-layout.ts';
import { writeFileDurably } from '../shared/durable-file.ts';
import { isRecord } from '../shared/is-record.ts';
import { isMissing } from '../shared/look.ts';

/** What tells a file as it is now from every other one, and from itself after a change. */
export type FileIdentity = string;

/** A file that arrived in clear, and the encrypted copy of it that goes into the archive. */
export interface SealedArrival {
  readonly source: string;
  readonly arrived: FileIdentity;
  readonly stored: FileIdentity;
}

/** Of a file that stays where it is: the time of its last change of any kind is a part of it, because an inode is soon used again. */
export async function identityOf(path: string): Promise<FileIdentity> {
  const found = await stat(path, { bigint: true });
  return `${movableIdentityIn(found)} ${String(found.ctimeNs)}`;
}

/** Of a file that is going to be renamed. */
export async function movableIdentityOf(path: string): Promise<FileIdentity> {
  return movableIdentityIn(await stat(path, { bigint: true }));
}

function movableIdentityIn({ ino, size, mtimeNs }: BigIntStats): FileIdentity {
  return [ino, size, mtimeNs].join(' ');
}

/**
 * Notes durably what is about to be renamed into the archive. Most backup hosts have no passphrase: after a crash, nothing else tells
 * that a file which still lies where it arrived is the one that the encrypted one was made of. Older notes stay while their sources do.
 */
export async function noteSealed(layout: ServerLayout, sealed: readonly SealedArrival[]): Promise<void> {
  if (sealed.length === 0) return;
  const waiting: SealedArrival[] = [];
  for (const known of await readSealed(layout)) if (await isStill(identityOf(known.source), known.arrived)) waiting.push(known);
  await writeFileDurably(notePath(layout), JSON.stringify([...waiting, ...sealed]), { mode: 0o600 });
}

/** Whether the archived file is noted as the encrypted copy of the one that arrived, and both are what they were. */
export async function wasSealedFrom(layout: ServerLayout, arrived: string, archived: string): Promise<boolean> {
  for (const { source, arrived: before, stored } of await readSealed(layout)) {
    if (
      source === arrived &&
      (await isStill(identityOf(arrived), before)) &&
      (await isStill(movableIdentityOf(archived), stored))
    )
      return true;
  }
  return false;
}

async function isStill(now: Promise<FileIdentity>, before: FileIdentity): Promise<boolean> {
  try {
    return (await now) === before;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

function notePath({ root }: ServerLayout): string {
  return join(root, '.pgcellar', 'sealed-arrivals');
}

/** None where the note is missing or makes no sense: then the passphrase decides. */
async function readSealed(layout: ServerLayout): Promise<readonly SealedArrival[]> {
  try {
    const value: unknown = JSON.parse(await readFile(notePath(layout), 'utf8'));
    return Array.isArray(value) ? value.filter(isSealedArrival) : [];
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return [];
    throw error;
  }
}

function isSealedArrival(value: unknown): value is SealedArrival {
  return isRecord(value) && ['source', 'arrived', 'stored'].every((key) => typeof value[key] === 'string');
}
