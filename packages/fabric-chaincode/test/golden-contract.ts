import { type Context, Contract } from 'fabric-contract-api'
import { KeyEndorsementPolicy } from 'fabric-shim'

/** What the golden channel's chaincode does, as its transactions show it. */
export class GoldenContract extends Contract {
  async put({ stub }: Context, key: string, value: string): Promise<void> {
    await stub.putState(key, Buffer.from(value))
  }

  async putb64({ stub }: Context, key: string, value: string): Promise<void> {
    await stub.putState(key, Buffer.from(value, 'base64'))
  }

  async get({ stub }: Context, key: string): Promise<string> {
    return text(await stub.getState(key))
  }

  async del({ stub }: Context, key: string): Promise<void> {
    await stub.deleteState(key)
  }

  async incr({ stub }: Context, key: string): Promise<string> {
    const value = String(Number(text(await stub.getState(key))) + 1)
    await stub.putState(key, Buffer.from(value))
    return value
  }

  async transfer({ stub }: Context, from: string, to: string, amount: string): Promise<void> {
    const [left, right] = [Number(text(await stub.getState(from))), Number(text(await stub.getState(to)))]
    await stub.putState(from, Buffer.from(String(left - Number(amount))))
    await stub.putState(to, Buffer.from(String(right + Number(amount))))
  }

  async twice({ stub }: Context, key: string, first: string, second: string): Promise<void> {
    await stub.putState(key, Buffer.from(first))
    await stub.getState(key)
    await stub.putState(key, Buffer.from(second))
  }

  async list({ stub }: Context, startKey: string, endKey: string): Promise<string> {
    const found: string[][] = []
    for await (const { key, value } of stub.getStateByRange(startKey, endKey)) found.push([key, text(value)])
    return JSON.stringify(found)
  }

  async sum({ stub }: Context, startKey: string, endKey: string, total: string): Promise<string> {
    let sum = 0
    for await (const { value } of stub.getStateByRange(startKey, endKey)) sum += Number(text(value))
    await stub.putState(total, Buffer.from(String(sum)))
    return String(sum)
  }

  async putc({ stub }: Context, type: string, first: string, second: string, value: string): Promise<void> {
    await stub.putState(stub.createCompositeKey(type, [first, second]), Buffer.from(value))
  }

  async listc({ stub }: Context, type: string, first: string): Promise<string> {
    const found: unknown[] = []
    for await (const { key, value } of stub.getStateByPartialCompositeKey(type, [first])) {
      found.push([stub.splitCompositeKey(key).attributes, text(value)])
    }
    return JSON.stringify(found)
  }

  async event({ stub }: Context, name: string, payload: string, key: string): Promise<void> {
    stub.setEvent(name, Buffer.from(payload))
    await stub.putState(key, Buffer.from(payload))
  }

  async hist({ stub }: Context, key: string): Promise<string> {
    const found: unknown[] = []
    for await (const { txId, isDelete, value } of stub.getHistoryForKey(key)) found.push({ txId, isDelete, value: text(value) })
    return JSON.stringify(found)
  }

  async psecret({ stub }: Context, collection: string, key: string): Promise<void> {
    await stub.putPrivateData(collection, key, stub.getTransient().get('value') ?? new Uint8Array())
  }

  async gsecret({ stub }: Context, collection: string, key: string): Promise<string> {
    return text(await stub.getPrivateData(collection, key))
  }

  async csecret({ stub }: Context, collection: string, key: string, to: string): Promise<void> {
    await stub.putState(to, await stub.getPrivateDataHash(collection, key))
  }

  async dsecret({ stub }: Context, collection: string, key: string): Promise<void> {
    await stub.deletePrivateData(collection, key)
  }

  async purge({ stub }: Context, collection: string, key: string): Promise<void> {
    await stub.purgePrivateData(collection, key)
  }

  async setep({ stub }: Context, key: string, role: string, mspId: string): Promise<void> {
    const policy = new KeyEndorsementPolicy()
    policy.addOrgs(role, mspId)
    await stub.setStateValidationParameter(key, policy.getPolicy())
  }
}

function text(value: Uint8Array): string {
  return new TextDecoder().decode(value)
}
