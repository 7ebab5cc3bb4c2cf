// Makes a year of history in the home of a real Barman, from the one backup that it took: year-of-barman.mjs HOME BACKUPS SEGMENTS
// Each backup and each segment lies before those that are there. Files are small, but records, index and folders are as Barman writes them.
import { chownSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const [home, backups, segments] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const { uid, gid } = statSync(home);
const daySeconds = 86_400;

const ids = readdirSync(join(home, 'base'));
const id = ids[0];
const recordPath = [join(home, 'meta', `${id}-backup.info`), join(home, 'base', id, 'backup.info')].find((path) =>
  existsSync(path),
);
const record = readFileSync(recordPath, 'utf8');
const indexPath = ['main-xlog.db', 'xlog.db'].map((name) => join(home, 'wals', name)).find((path) => existsSync(path));
const index = readFileSync(indexPath, 'utf8');
const first = index.split('\t', 1)[0];
const firstLine = index.split('\n', 1)[0].split('\t');
const firstPath = join(home, 'wals', first.slice(0, 16), first);
const content = readFileSync(firstPath).subarray(0, 512);
const newestSeconds = Number(firstLine[2]);

const numberOf = (name) => Number.parseInt(name.slice(8, 16), 16) * 256 + Number.parseInt(name.slice(16), 16);
const hex = (number) => number.toString(16).toUpperCase().padStart(8, '0');
const nameOf = (number) => `00000001${hex(Math.floor(number / 256))}${hex(number % 256)}`;
const begin = numberOf(first) - segments;
if (begin < 1) throw new Error(`${first} leaves no room for ${String(segments)} segments before it`);

function write(path, text) {
  if (!existsSync(dirname(path))) {
    mkdirSync(dirname(path), { recursive: true });
    chownSync(dirname(path), uid, gid);
  }
  writeFileSync(path, text);
  chownSync(path, uid, gid);
}

const lines = [];
for (let count = 0; count < segments; count++) {
  const name = nameOf(begin + count);
  write(join(home, 'wals', name.slice(0, 16), name), content);
  const seconds = newestSeconds - Math.floor((365 * daySeconds * (segments - count)) / segments);
  lines.push([name, content.length, seconds.toFixed(1), firstLine[3]].join('\t'));
}
write(indexPath, `${lines.join('\n')}\n${index}`);

for (let count = 0; count < backups; count++) {
  const began = new Date((newestSeconds - Math.floor((364 * daySeconds * (backups - count)) / backups)) * 1000);
  const ended = new Date(began.getTime() + 60_000);
  const ownId = began.toISOString().slice(0, 19).replaceAll(/[-:]/g, '');
  const segment = begin + Math.floor((segments * count) / backups) + 1;
  const name = nameOf(segment);
  const position = `${Math.floor(segment / 256)
    .toString(16)
    .toUpperCase()}/${((segment % 256) * 0x1000000).toString(16).toUpperCase().padStart(8, '0')}`;
  const at = (date) => date.toISOString().replace('T', ' ').replace('Z', '000+00:00');
  const values = {
    backup_id: ownId,
    begin_time: at(began),
    end_time: at(ended),
    begin_wal: name,
    end_wal: name,
    begin_xlog: position.replace(/000000$/, '000028'),
    end_xlog: position.replace(/000000$/, '000100'),
    backup_label: 'None',
  };
  const text = Object.entries(values).reduce(
    (all, [key, value]) => all.replace(new RegExp(`^${key}=.*$`, 'm'), `${key}=${value}`),
    record,
  );
  const base = join(home, 'base', ownId);
  write(join(base, 'data', 'PG_VERSION'), `${/^version=(\d\d)/m.exec(record)[1]}\n`);
  chownSync(base, uid, gid);
  write(recordPath.replaceAll(id, ownId), text);
}
console.log(`${String(backups)} backups and ${String(segments)} segments before ${first}`);
