// The folder that a demo owns, marked so that cleaning up never removes anything else.
import { spawnSync } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serverUser } from '../machine/server-user.mjs';

const mark = 'this-is-a-pgcellar-demo.json';

/**
 * Makes the folder, empty and marked. Servers of a root demo run as another user, who may be unable to reach the folder (a clone
 * below /root): their data then lies in a folder of its own below /var/tmp, which the mark names.
 */
export async function claimFolder(folder) {
  const found = await readMark(folder);
  if (found !== undefined) await cleanDemo(folder);
  else if ((await entriesOf(folder)).length > 0) {
    throw new Error(`${folder} is not empty and no earlier demo; name another folder: npm run demo -- FOLDER`);
  }
  await mkdir(folder, { recursive: true });
  const root = await realpath(folder);
  const user = serverUser();
  const data = user === undefined ? join(root, 'postgres') : await folderOfServerUser(root, user);
  await writeFile(join(root, mark), `${JSON.stringify({ data }, null, 2)}\n`);
  await mkdir(data, { recursive: true });
  return { root, data, user };
}

/** Stops what an interrupted demo left running and removes its folders; refuses a folder that no demo made. */
export async function cleanDemo(folder) {
  const found = await readMark(folder);
  if (found === undefined) {
    console.error(
      (await entriesOf(folder)).length === 0
        ? `nothing to clean: ${folder} holds no demo`
        : `${folder} was not made by the demo; left alone`,
    );
    return (await entriesOf(folder)).length === 0 ? 0 : 1;
  }
  for (const cluster of ['primary', 'restored']) await stopIfRunning(join(found.data, cluster));
  await stopReceiver(join(folder, 'home'));
  await rm(found.data, { recursive: true, force: true });
  await rm(folder, { recursive: true, force: true });
  console.log(`removed ${folder}`);
  return 0;
}

async function folderOfServerUser(root, user) {
  const probe = spawnSync('setpriv', [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups', 'test', '-x', root]);
  const data = probe.status === 0 ? join(root, 'postgres') : await mkdtemp('/var/tmp/pgcellar-demo-');
  await mkdir(data, { recursive: true });
  await chown(data, user.uid, user.gid);
  await chmod(data, 0o755);
  return data;
}

async function readMark(folder) {
  try {
    return JSON.parse(await readFile(join(folder, mark), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  }
}

async function entriesOf(folder) {
  try {
    return await readdir(folder);
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
}

/** A cluster's own pid file names its postmaster; the process is ours only if it works in that very folder. */
async function stopIfRunning(dataDirectory) {
  const pid = await readPid(join(dataDirectory, 'postmaster.pid'));
  if (pid === undefined) return;
  if ((await workingFolderOf(pid)) !== (await realpath(dataDirectory))) return;
  process.kill(pid, 'SIGQUIT');
  await waitUntilGone(pid);
}

/** The receiver's lock file names its process; ours only if its command line names this home's configuration. */
async function stopReceiver(home) {
  const pid = await readPid(join(home, '.main-receive-wal.lock'));
  if (pid === undefined) return;
  const commandLine = await readOptional(`/proc/${pid}/cmdline`);
  if (commandLine === undefined || !commandLine.includes('receive-wal') || !commandLine.includes(join(home, '..'))) return;
  process.kill(pid, 'SIGINT');
  await waitUntilGone(pid);
}

async function readPid(path) {
  const first = (await readOptional(path))?.split('\n')[0]?.trim() ?? '';
  return /^\d+$/.test(first) ? Number(first) : undefined;
}

async function workingFolderOf(pid) {
  try {
    return await realpath(`/proc/${pid}/cwd`);
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function readOptional(path) {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function waitUntilGone(pid) {
  for (let tries = 0; tries < 300; tries++) {
    if ((await readOptional(`/proc/${pid}/stat`)) === undefined) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`process ${pid} did not end within 30 s`);
}
