// The demo's story, step by step; each pgcellar command is printed before it runs.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { asServerUser } from '../machine/server-user.mjs';

const bold = (text) => (process.stdout.isTTY && !process.env.NO_COLOR ? `\x1b[1m${text}\x1b[0m` : text);

/** Tells the story; whatever ends it early, what it started is stopped. Gives the exit code. */
export async function runStory({ repository, postgres, place }) {
  const story = new Story({ repository, postgres, place });
  let isHeard = true;
  const told = story.tell();
  const interrupted = new Promise((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => reject(new Error(`stopped by ${signal}`)));
    for (const stream of [process.stdout, process.stderr]) {
      stream.on('error', (error) => {
        isHeard = false; // the reader is gone, as head(1) is after its lines
        reject(error);
      });
    }
  });
  try {
    return await Promise.race([told, interrupted]);
  } catch (error) {
    if (isHeard) {
      console.error(`\nThe demo failed: ${error.message}`);
      console.error(`Everything it made is in ${place.root}; remove it with: npm run demo -- --clean ${place.root}`);
    }
    return 1;
  } finally {
    story.isOver = true; // a step under way ends first, then no other one begins
    await told.catch(() => undefined); // told already
    await story.end();
  }
}

class Story {
  constructor({ repository, postgres, place }) {
    this.pgcellarProgram = join(repository, 'bin', 'pgcellar');
    this.bin = postgres.binDir;
    this.place = place;
    this.config = join(place.root, 'pgcellar.conf');
    this.running = new Set();
    this.isOver = false;
    this.writer = undefined;
    this.step = 0;
  }

  async tell() {
    const startedAt = performance.now();
    await this.startPrimary();
    await this.configure();
    await this.streamWal();
    await this.backUp();
    const accident = await this.haveAnAccident();
    await this.restore(accident);
    const isRight = await this.compare(accident);
    this.say(`Took ${Math.round((performance.now() - startedAt) / 1000)} s.`);
    this.tellWhatIsNext();
    return isRight ? 0 : 1;
  }

  async startPrimary() {
    this.title('A PostgreSQL to protect');
    this.port = await freePort();
    const data = join(this.place.data, 'primary');
    await this.asServer([
      join(this.bin, 'initdb'),
      '-D',
      data,
      '-U',
      'postgres',
      '-A',
      'trust',
      '-E',
      'UTF8',
      '--no-locale',
      '--data-checksums',
    ]);
    await this.startServer(data, this.port, [
      '-c',
      'wal_level=replica',
      '-c',
      'max_wal_senders=8',
      '-c',
      'max_replication_slots=4',
    ]);
    this.say(
      `PostgreSQL runs on port ${this.port}. It gets a user for backups and one for streaming, and a table "orders" that somebody writes to all the time:`,
    );
    await this.sql(`
      CREATE ROLE pgcellar LOGIN; GRANT pg_read_all_settings, pg_read_all_stats TO pgcellar;
      ${await this.grants()}
      CREATE ROLE streaming_pgcellar LOGIN REPLICATION;
      CREATE TABLE orders (id bigserial PRIMARY KEY, placed_at timestamptz DEFAULT clock_timestamp(), what text);
      CREATE TABLE visits (id bigserial PRIMARY KEY, seen_at timestamptz DEFAULT clock_timestamp());
      INSERT INTO orders (what) SELECT 'order ' || n FROM generate_series(1, 50000) n;`);
    this.writer = this.writeAllTheTime();
  }

  /** The functions that a backup user must be allowed to call were renamed in PostgreSQL 15. */
  async grants() {
    const version = Number(await this.sql('SHOW server_version_num'));
    const functions =
      version >= 150000
        ? ['pg_backup_start(text, boolean)', 'pg_backup_stop(boolean)']
        : ['pg_start_backup(text, boolean, boolean)', 'pg_stop_backup()', 'pg_stop_backup(boolean, boolean)'];
    const all = [...functions, 'pg_switch_wal()', 'pg_create_restore_point(text)'];
    const checkpoint = version >= 150000 ? 'GRANT pg_checkpoint TO pgcellar;' : '';
    return `${all.map((name) => `GRANT EXECUTE ON FUNCTION ${name} TO pgcellar;`).join('\n')}${checkpoint}`;
  }

  async configure() {
    this.title('A configuration');
    await mkdir(join(this.place.root, 'home'), { recursive: true });
    const lines = [
      '[pgcellar]',
      `barman_home = ${join(this.place.root, 'home')}`,
      `barman_user = ${await this.userName()}`,
      `log_file = ${join(this.place.root, 'pgcellar.log')}`,
      `path_prefix = ${this.bin}`,
      '',
      '[main]',
      'description = the demo server',
      `conninfo = host=127.0.0.1 port=${this.port} user=pgcellar dbname=postgres`,
      `streaming_conninfo = host=127.0.0.1 port=${this.port} user=streaming_pgcellar`,
      'backup_method = postgres',
      'streaming_archiver = on',
      'slot_name = pgcellar',
      'create_slot = auto',
      'retention_policy = RECOVERY WINDOW OF 1 WEEK',
      '',
    ];
    await writeFile(this.config, lines.join('\n'));
    console.log(lines.map((line) => `    ${line}`).join('\n'));
  }

  async streamWal() {
    this.title('Continuous WAL');
    this.say(
      'cron runs each minute: it starts the WAL receiver, which creates its replication slot, and archives what came in.',
    );
    this.hasReceiver = true;
    await this.pgcellar('cron');
    await this.waitFor(
      'the receiver to stream',
      async () => (await this.sql('SELECT count(*) FROM pg_stat_replication')) !== '0',
    );
    await this.pgcellar('switch-wal', '--force', '--archive', 'main');
    await this.pgcellar('check', 'main');
  }

  async backUp() {
    this.title('A base backup, while writes go on');
    await this.pgcellar('backup', '--wait', '--immediate-checkpoint', '--name', 'evening', 'main');
    await this.pgcellar('list-backups', 'main');
  }

  async haveAnAccident() {
    this.title('Life goes on, then an accident');
    const before = Number(await this.sql('SELECT count(*) FROM orders'));
    await this.waitFor('more orders', async () => Number(await this.sql('SELECT count(*) FROM orders')) > before + 200);
    this.say(
      'Somebody drops the wrong table. In the same transaction the demo notes, for the comparison later, what was in it:',
    );
    const noted = await this.sql(`
      BEGIN;
      LOCK TABLE orders IN ACCESS EXCLUSIVE MODE;
      SELECT count(*) || '|' || coalesce(sum(id), 0) || '|' || clock_timestamp() FROM orders;
      SELECT pg_sleep(0.05);
      DROP TABLE orders;
      COMMIT;`);
    const [count, sum, time] = noted
      .split('\n')
      .find((line) => line.includes('|'))
      .split('|');
    this.say(`    DROP TABLE orders;     -- ${count} orders, all gone, at ${time}`);
    const visits = Number(await this.sql('SELECT count(*) FROM visits'));
    await this.waitFor('more visits', async () => Number(await this.sql('SELECT count(*) FROM visits')) > visits + 50);
    this.say('Nobody noticed yet: other tables are still written to.');
    await this.pgcellar('switch-wal', '--archive', 'main');
    return { count, sum, time };
  }

  async restore({ time }) {
    this.title('Back to the moment before');
    this.restored = join(this.place.data, 'restored');
    await this.pgcellar('restore', '--target-time', time, '--target-action', 'promote', 'main', 'auto', this.restored);
    if (this.place.user !== undefined) {
      this.say(`    $ chown -R ${this.place.user.name} ${this.restored}     (PostgreSQL does not run as root)`);
      await this.run(['chown', '-R', `${this.place.user.uid}:${this.place.user.gid}`, this.restored]);
    }
    this.restoredPort = await freePort();
    await this.startServer(this.restored, this.restoredPort, []);
    await this.waitFor(
      'the end of the recovery',
      async () => (await this.sql('SELECT pg_is_in_recovery()', this.restoredPort)) === 'f',
    );
  }

  async compare({ count, sum, time }) {
    this.title('Is it all there?');
    const [restoredCount, restoredSum] = (
      await this.sql("SELECT count(*) || '|' || coalesce(sum(id), 0) FROM orders", this.restoredPort)
    ).split('|');
    this.say(`    at ${time}, before the accident: ${count} orders, ids adding up to ${sum}`);
    this.say(
      `    in the restored server:${' '.repeat(Math.max(1, time.length - 3))}${restoredCount} orders, ids adding up to ${restoredSum}`,
    );
    const isRight = restoredCount === count && restoredSum === sum;
    this.say(
      isRight
        ? bold('Every order is back, and not one too many.')
        : 'The two differ: this is a defect of pgcellar, please report it.',
    );
    return isRight;
  }

  tellWhatIsNext() {
    const command = (words) => console.log(`    ${this.pgcellarProgram} -c ${this.config} ${words}`);
    this.title('What to try next');
    this.say('The servers are stopped now; their backups and WAL stay. On this home:');
    command('list-backups main');
    command('show-backup main evening');
    command('list-files --target wal main latest');
    command('restore --target-immediate main evening /some/empty/folder');
    command("restore --target-time '1999-12-31 23:59:59' main latest /some/empty/folder     (refused, and it says why)");
    command('check main                         (what a check says when the server is down)');
    this.say(`Remove it all: npm run demo -- --clean${this.place.root.endsWith('/demo') ? '' : ` ${this.place.root}`}`);
  }

  /** Stops all that was started, in reverse; called however the story ends. */
  async end() {
    this.isOver = true;
    await this.writer;
    const started = [...this.running].filter((data) => existsSync(join(data, 'postmaster.pid')));
    const stops = started.reverse().map((data) => {
      const argv = asServerUser([join(this.bin, 'pg_ctl'), '-D', data, '-m', 'fast', '-w', 'stop']);
      return { argv, cwd: '/' };
    });
    if (this.hasReceiver)
      stops.unshift({ argv: [this.pgcellarProgram, '-c', this.config, '-q', 'terminate-process', 'main', 'receive-wal'] });
    for (const { argv, cwd } of stops) {
      try {
        await runProgram(argv, { cwd });
      } catch (error) {
        console.error(`not stopped: ${error.message}`); // what was about to start need not run
      }
    }
  }

  async pgcellar(...words) {
    console.log(`\n${bold(`    $ pgcellar -c ${this.config} ${words.map(quoted).join(' ')}`)}`);
    await this.run([this.pgcellarProgram, '-c', this.config, ...words], { isShown: true });
  }

  async startServer(data, port, settings) {
    const sockets = this.place.data;
    const options = [
      '-p',
      String(port),
      '-c',
      `unix_socket_directories=${sockets}`,
      '-c',
      'listen_addresses=127.0.0.1',
      ...settings,
    ];
    this.running.add(data); // also when we are interrupted while it starts
    await this.asServer([
      join(this.bin, 'pg_ctl'),
      '-D',
      data,
      '-l',
      join(this.place.data, 'server.log'),
      '-w',
      '-t',
      '60',
      '-o',
      options.map(quoted).join(' '),
      'start',
    ]);
  }

  async sql(text, port = this.port) {
    const psql = [join(this.bin, 'psql'), '-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', '-d', 'postgres', '-XAtq'];
    const { stdout } = await this.run([...psql, '-v', 'ON_ERROR_STOP=1', '-f', '-'], { input: text });
    return stdout.trim();
  }

  /** Orders and visits, one transaction each, until the story is over; after the accident only visits are left. */
  async writeAllTheTime() {
    let table = 'orders';
    while (!this.isOver) {
      const rows = Array.from({ length: 50 }, () => `INSERT INTO ${table} DEFAULT VALUES;`).join(' ');
      try {
        await this.sql(rows);
        table = table === 'visits' && !this.hadAccident ? 'orders' : 'visits';
      } catch {
        // the table was dropped, or the story is over and the server gone: both are meant to happen
        if (table !== 'orders' || this.isOver) return;
        this.hadAccident = true;
        table = 'visits';
      }
      await delay(20);
    }
  }

  async asServer(argv) {
    return await this.run(asServerUser(argv), { cwd: '/' });
  }

  async userName() {
    return (await this.run(['id', '-un'])).stdout.trim();
  }

  async waitFor(what, isTrue) {
    for (let tries = 0; tries < 600 && !this.isOver; tries++) {
      if (await isTrue()) return;
      await delay(100);
    }
    throw new Error(`waited 60 s for ${what}`);
  }

  /** A step of the story: none begins when it is over. */
  async run(argv, options) {
    if (this.isOver) throw new Error('the demo is over');
    return await runProgram(argv, options);
  }

  title(text) {
    console.log(`\n${bold(`${++this.step}. ${text}`)}`);
  }

  say(text) {
    console.log(text);
  }
}

async function runProgram(argv, { isShown = false, cwd, input = '' } = {}) {
  const [program, ...words] = argv;
  const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe'], ...(cwd === undefined ? {} : { cwd }) });
  child.stdin.on('error', (error) => {
    if (error.code !== 'EPIPE') throw error; // a program may end without reading its input
  });
  child.stdin.end(input);
  const [stdout, stderr, exitCode] = await Promise.all([
    collect(child.stdout, isShown),
    collect(child.stderr, isShown),
    ended(child),
  ]);
  if (exitCode !== 0)
    throw new Error(`${program} ended with ${exitCode}${isShown ? '' : `: ${stderr.trim() || stdout.trim()}`}`);
  return { stdout, stderr };
}

async function collect(stream, isShown) {
  let text = '';
  for await (const piece of stream.setEncoding('utf8')) {
    text += piece;
    if (isShown) process.stdout.write(piece);
  }
  return text;
}

function ended(child) {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? signal));
  });
}

function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
