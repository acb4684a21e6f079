import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from './free-port.ts';
import { greet } from './greeting.ts';
import { installOnce, whyItFailed } from './install-once.ts';
import { onPath } from './on-path.ts';
import { type NotHere, type RunningService, startService } from './service.ts';

const execute = promisify(execFile);
const TOOL = join(import.meta.dirname, '../../../tools/kafka');
/** What Kafka 4 asks for. */
const MIN_JAVA = 17;
/** Small, as the tests' topics are. */
const HEAP = '-Xmx256m';
/** Any 16 bytes: the cluster has this one node. */
const CLUSTER_ID = Buffer.alloc(16, 1).toString('base64url');

/** Starts Apache's own broker, one node, topics made when first written to. Its jars are fetched by Maven, by the first who asks. */
export async function startKafka(): Promise<RunningService | NotHere> {
  const found = await findKafka();
  if ('reason' in found) return found;
  const { java, jars, version } = found;
  const folder = mkdtempSync(join(tmpdir(), 'gapless-kafka-'));
  const port = await freePort();
  const settings = join(folder, 'server.properties');
  writeFileSync(settings, properties({ folder, port, controllerPort: await freePort() }));
  const command = [HEAP, '-cp', join(jars, '*')];
  await execute(java, [...command, 'kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', settings], { cwd: folder });
  return startService({
    url: `kafka://127.0.0.1:${port}`,
    port,
    version,
    from: 'Maven',
    command: java,
    args: [...command, 'kafka.Kafka', settings],
    folder,
    stopSignal: 'SIGTERM',
    ask: () => greet(port, API_VERSIONS, CORRELATION),
  });
}

export interface KafkaFound {
  readonly java: string;
  readonly jars: string;
  readonly version: string;
}

/** Fetches its jars when they are not there. */
export async function findKafka(): Promise<KafkaFound | NotHere> {
  const java = onPath('java');
  const maven = onPath('mvn');
  if (java === undefined || maven === undefined)
    return { reason: `there is no Java with Maven on this machine (Debian: apt install default-jre-headless maven)` };
  const { stderr } = await execute(java, ['-version']);
  const major = Number(/version "(\d+)/.exec(stderr)?.[1]);
  if (!(major >= MIN_JAVA)) return { reason: `Kafka takes Java ${MIN_JAVA}, here is ${stderr.split('\n')[0]}` };
  try {
    const jars = await installOnce({ tool: TOOL, lock: 'pom.xml', fill: (folder) => copyJars(maven, folder) });
    const version = readdirSync(jars).flatMap((name) => /^kafka_[\d.]+-(.+)\.jar$/.exec(name)?.[1] ?? [])[0] ?? 'unknown';
    return { java, jars, version };
  } catch (error) {
    return { reason: `Maven cannot fetch Kafka: ${whyItFailed(error)}` };
  }
}

async function copyJars(maven: string, folder: string): Promise<void> {
  await execute(maven, ['-B', '-q', '-f', TOOL, 'dependency:copy-dependencies', `-DoutputDirectory=${folder}`]);
}

/**
 * KRaft, broker and controller in one process. What is kept in several copies by default is kept in one. A broker that was killed may
 * register again when its session has ended: a short one lets it start soon.
 */
function properties({ folder, port, controllerPort }: { folder: string; port: number; controllerPort: number }): string {
  return `
    process.roles=broker,controller
    node.id=1
    controller.quorum.voters=1@127.0.0.1:${controllerPort}
    controller.listener.names=CONTROLLER
    listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
    advertised.listeners=PLAINTEXT://127.0.0.1:${port}
    listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
    log.dirs=${join(folder, 'data')}
    auto.create.topics.enable=true
    offsets.topic.replication.factor=1
    offsets.topic.num.partitions=1
    transaction.state.log.replication.factor=1
    transaction.state.log.min.isr=1
    transaction.state.log.num.partitions=1
    group.initial.rebalance.delay.ms=0
    broker.heartbeat.interval.ms=500
    broker.session.timeout.ms=3000
  `.replaceAll(/^ +/gm, '');
}

/** Comes back in the answer. */
const CORRELATION = 'gap!';
/** The request every broker answers without knowing the client: length, key 18, version 0, correlation, no client id. */
const API_VERSIONS = Buffer.concat([Buffer.from([0, 0, 0, 10, 0, 18, 0, 0]), Buffer.from(CORRELATION), Buffer.from([255, 255])]);
