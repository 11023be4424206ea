// One node of a cluster of brokers: node aedes.mjs PORT REDIS_PORT, where aedes and its adapters for Redis are installed.
import { Aedes } from 'aedes'
import persistence from 'aedes-persistence-redis'
import mqemitter from 'mqemitter-redis'
import { createServer } from 'node:net'

const [port, redis] = process.argv.slice(2).map(Number)
const at = { host: '127.0.0.1', port: redis }
const broker = await Aedes.createBroker({ id: `n${port}`, persistence: persistence(at), mq: mqemitter(at) })
createServer(broker.handle).listen(port, '127.0.0.1')
