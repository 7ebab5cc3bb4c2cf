import { join } from 'node:path';
import { namesIn } from '../../shared/look.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { dataFolder, type SourceMember, tablespaceOids } from './backup-source.ts';

/** The tar files of a member: `base.tar`, `<oid>.tar`, with the suffixes of compression and encryption (docs/reference/catalog.md section 1.3). */
export interface TarFiles {
  readonly data: string;
  /** By oid. */
  readonly tablespaces: ReadonlyMap<number, string>;
  /** Those that lie in `pg_tblspc` itself, which no record names (`allow_in_place_tablespaces`); by oid. */
  readonly inPlace: ReadonlyMap<number, string>;
}

/**
 * Finds the tar files of a member.
 * @throws OperatorError `backup-not-usable` when one is missing
 */
export async function findTarFiles(member: SourceMember): Promise<TarFiles> {
  const folder = dataFolder(member);
  const names = await namesIn(folder);
  const find = (stem: string): string => {
    const name = names.find((one) => one === `${stem}.tar` || one.startsWith(`${stem}.tar.`));
    if (name !== undefined) return join(folder, name);
    throw new OperatorError(
      'backup-not-usable',
      `backup ${member.backup.id} is not complete: ${join(folder, `${stem}.tar`)} is missing`,
      {
        hint: 'restore from another backup',
      },
    );
  };
  const oids = tablespaceOids(member);
  const found = names.map((name) => Number(/^(\d{1,10})\.tar(?:\.\w+)*$/.exec(name)?.[1] ?? Number.NaN));
  const others = found.filter((oid) => !Number.isNaN(oid) && !oids.includes(oid));
  return {
    data: find('base'),
    tablespaces: new Map(oids.map((oid) => [oid, find(String(oid))])),
    inPlace: new Map(others.map((oid) => [oid, find(String(oid))])),
  };
}
