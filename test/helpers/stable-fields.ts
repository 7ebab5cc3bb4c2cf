import { readFile } from 'node:fs/promises';

/** The fields of a record that do not move between two backups of one cluster; of statistics, positions and label the shape. */
export async function stableFields(recordPath: string): Promise<Record<string, string>> {
  const lines = (await readFile(recordPath, 'utf8')).trimEnd().split('\n');
  // we leave an encryption that is none out, which Barman before 3.14 cannot read (docs/differences-from-barman.md)
  const compared = lines.filter((line) => line !== 'encryption=None');
  const fields = compared.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const);
  return Object.fromEntries(
    fields.map(([key, value]) => {
      if (key === 'status') return [key, 'DONE or WAITING_FOR_WALS'];
      if (/^(begin|end)_|size$/.test(key) || ['copy_stats', 'backup_label'].includes(key)) {
        return [key, value.replaceAll(/[0-9A-F]/g, '#').replaceAll(/#+/g, '#')];
      }
      return [key, value];
    }),
  );
}
