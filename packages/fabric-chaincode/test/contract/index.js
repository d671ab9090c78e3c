const { Contract } = require('fabric-contract-api')

/** Everything that a contract can ask a peer for, one function each. */
class Assets extends Contract {
  constructor() {
    super('assets')
  }

  async create(ctx, key, value) {
    const { stub } = ctx
    if ((await stub.getState(key)).length > 0) throw new Error(`the asset ${key} exists`)
    await stub.putState(key, Buffer.from(value))
    return value
  }

  async read(ctx, key) {
    const value = await ctx.stub.getState(key)
    if (value.length === 0) throw new Error(`the asset ${key} does not exist`)
    return value.toString()
  }

  async remove(ctx, key) {
    await ctx.stub.deleteState(key)
  }

  async fill(ctx, prefix, count) {
    for (let number = 0; number < Number(count); number++) {
      await ctx.stub.putState(`${prefix}${String(number).padStart(4, '0')}`, Buffer.from(`${number}`))
    }
  }

  async range(ctx, startKey, endKey, most) {
    const found = []
    for await (const { key, value } of ctx.stub.getStateByRange(startKey, endKey)) {
      found.push([key, value.toString()])
      if (found.length === Number(most)) break
    }
    return JSON.stringify(found)
  }

  async left(ctx, startKey, endKey) {
    const iterator = await ctx.stub.getStateByRange(startKey, endKey)
    return (await iterator.next()).value.key
  }

  async composite(ctx, color) {
    const { stub } = ctx
    await stub.putState(stub.createCompositeKey('color', [color, 'a']), Buffer.from([0]))
    const found = []
    for await (const { key } of stub.getStateByPartialCompositeKey('color', [])) found.push(stub.splitCompositeKey(key).attributes)
    return JSON.stringify(found)
  }

  async page(ctx, startKey, endKey, size, bookmark) {
    const { iterator, metadata } = await ctx.stub.getStateByRangeWithPagination(startKey, endKey, Number(size), bookmark)
    const keys = []
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) keys.push(next.value.key)
    return JSON.stringify({ keys, ...metadata })
  }

  async pageAndWrite(ctx) {
    await ctx.stub.getStateByRangeWithPagination('', '', 1, '')
    await ctx.stub.putState('after-page', Buffer.from('1'))
  }

  async writeAndPage(ctx) {
    await ctx.stub.putState('before-page', Buffer.from('1'))
    await ctx.stub.getStateByRangeWithPagination('', '', 1, '')
  }

  async query(ctx, selector) {
    return await ctx.stub.getQueryResult(selector)
  }

  async queryPage(ctx, selector) {
    return await ctx.stub.getQueryResultWithPagination(selector, 2, '')
  }

  async history(ctx, key) {
    const found = []
    for await (const { txId, value, isDelete, timestamp } of ctx.stub.getHistoryForKey(key)) {
      found.push({ txId, value: value.toString(), isDelete, timestamp })
    }
    return JSON.stringify(found)
  }

  async putPrivate(ctx, collection, key) {
    await ctx.stub.putPrivateData(collection, key, ctx.stub.getTransient().get('value'))
  }

  async readPrivate(ctx, collection, key) {
    const value = await ctx.stub.getPrivateData(collection, key)
    return value.toString()
  }

  async hashPrivate(ctx, collection, key) {
    const hash = await ctx.stub.getPrivateDataHash(collection, key)
    return Buffer.from(hash).toString('hex')
  }

  async rangePrivate(ctx, collection) {
    const found = []
    for await (const { key, value } of ctx.stub.getPrivateDataByRange(collection, '', '')) found.push([key, value.toString()])
    return JSON.stringify(found)
  }

  async deletePrivate(ctx, collection, key) {
    await ctx.stub.deletePrivateData(collection, key)
  }

  async purgePrivate(ctx, collection, key) {
    await ctx.stub.purgePrivateData(collection, key)
  }

  async rangePrivateAndWrite(ctx, collection) {
    await ctx.stub.getPrivateDataByRange(collection, '', '')
    await ctx.stub.putState('after', Buffer.from('1'))
  }

  async protect(ctx, key, policy) {
    await ctx.stub.setStateValidationParameter(key, Buffer.from(policy))
  }

  async protection(ctx, key) {
    const policy = await ctx.stub.getStateValidationParameter(key)
    return policy === undefined ? '' : Buffer.from(policy).toString()
  }

  async protectPrivate(ctx, collection, key, policy) {
    await ctx.stub.setPrivateDataValidationParameter(collection, key, Buffer.from(policy))
    const current = await ctx.stub.getPrivateDataValidationParameter(collection, key)
    return current === undefined ? '' : Buffer.from(current).toString()
  }

  async event(ctx, name, payload) {
    ctx.stub.setEvent(name, Buffer.from(payload))
    await ctx.stub.putState('event', Buffer.from(name))
  }

  async call(ctx, chaincode, args, channel) {
    const { status, message, payload } = await ctx.stub.invokeChaincode(chaincode, JSON.parse(args), channel)
    return JSON.stringify({ status, message, payload: payload.toString() })
  }

  async who(ctx) {
    const { clientIdentity, stub } = ctx
    return JSON.stringify({
      id: clientIdentity.getID(),
      mspId: clientIdentity.getMSPID(),
      peer: stub.getMspID(),
      txId: stub.getTxID(),
      channelId: stub.getChannelID(),
      timestamp: stub.getTxTimestamp(),
      binding: stub.getBinding(),
      args: stub.getArgs(),
      transient: [...stub.getTransient()].map(([key, value]) => [key, value.toString()]),
    })
  }

  async many(ctx, count) {
    const { stub } = ctx
    const keys = Array.from({ length: Number(count) }, (_, number) => `many${number}`)
    await Promise.all(keys.map((key) => stub.putState(key, Buffer.from(key))))
    return (await Promise.all(keys.map((key) => stub.getState(key)))).length
  }

  async never() {
    await new Promise(() => {})
  }

  async leave(ctx) {
    void ctx.stub.putState('left', Buffer.from('1'))
  }

  async big(_, length) {
    return 'x'.repeat(Number(length))
  }

  async exit() {
    process.exit(3)
  }

  async unknownTransaction() {
    throw new Error('no such function')
  }
}

module.exports.contracts = [Assets]
