// What lies beside the packages: a bill of materials in CycloneDX, and SHA-256 sums.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository, run, write } from './surroundings.mjs';

/** The npm packages of the program by `npm sbom`, and Node. */
export function writeBill({ into, version, time, runtime }) {
  const text = run(['npm', 'sbom', '--omit', 'dev', '--sbom-format', 'cyclonedx', '--package-lock-only'], { cwd: repository });
  const { serialNumber: _, ...bill } = JSON.parse(text); // a random number
  bill.metadata.timestamp = new Date(time * 1000).toISOString();
  bill.metadata.component.version = version;
  const [algorithm, content] = runtime.integrity.split('-');
  bill.components.push({
    'bom-ref': `${runtime.package}@${runtime.version}`,
    type: 'application',
    name: 'node',
    version: runtime.version,
    purl: `pkg:npm/${runtime.package}@${runtime.version}`,
    licenses: [{ license: { id: 'MIT' } }],
    hashes: [{ alg: algorithm.replace('sha', 'SHA-'), content: Buffer.from(content, 'base64').toString('hex') }],
  });
  write(join(into, `pgcellar-${version}.cdx.json`), `${JSON.stringify(bill, null, 2)}\n`);
}

/** Writes SHA256SUMS, as sha256sum(1) reads it; gives its lines. */
export function writeSums(into) {
  const names = readdirSync(into).sort();
  const lines = names.map(
    (name) =>
      `${createHash('sha256')
        .update(readFileSync(join(into, name)))
        .digest('hex')}  ${name}`,
  );
  write(join(into, 'SHA256SUMS'), `${lines.join('\n')}\n`);
  return lines;
}
