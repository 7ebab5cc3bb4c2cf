import type { Server } from '../../config/server.ts';
import { findProgram } from '../../transport/programs/find-program.ts';
import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed, passed } from '../verdict.ts';

/** Compressions that are the program of another name. */
const olderNames: Readonly<Record<string, string>> = { pybzip2: 'bzip2' };
/** Packages that do not have the program's name. */
const packageOf: Readonly<Record<string, string>> = { xz: 'xz-utils' };
const builtIn: readonly string[] = ['gzip', 'pygzip', 'snappy'];

/** WAL can be compressed as configured. */
export const compressionSettings: Check = {
  name: 'compression settings',
  appliesTo: 'every',
  isCritical: true,
  about: 'The catalog',
  meaning: 'The program of `compression` is not installed, or `custom` lacks one of its filters.',
  remedies: ['compressor-missing', 'filter-missing'],
  async run({ server }) {
    const { compression } = server.config.options;
    if (compression === undefined || builtIn.includes(compression)) return passed();
    if (compression === 'custom') return customVerdict(server);
    const program = olderNames[compression] ?? compression;
    const isThere = (await findProgram(program, server.programPath)) !== undefined;
    if (isThere) return passed();
    const remedy = mendedBy('compressor-missing', { program, compression, package: packageOf[program] ?? program });
    return failed(`the program ${program} was not found`, remedy);
  },
};

function customVerdict({ config: { options } }: Server): ReturnType<typeof failed> {
  const missing = (['custom_compression_filter', 'custom_decompression_filter'] as const).filter(
    (key) => options[key] === undefined,
  );
  return missing.length === 0
    ? passed()
    : failed(
        `compression = custom needs ${missing.join(' and ')}`,
        mendedBy('filter-missing', { missing: missing.join(' and '), settings: missing.map((key) => `${key} = …`).join('\n') }),
      );
}
