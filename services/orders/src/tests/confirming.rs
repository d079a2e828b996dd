//! The catalog learns of every order, so that it keeps the stock of orders and of nothing else.

use uuid::Uuid;

use super::{Shop, code};

#[tokio::test]
async fn an_order_is_confirmed_once_and_its_stock_stays_sold() {
    let shop = Shop::open().await;
    shop.order(Uuid::new_v4(), &shop.basket_with(&[("mug", 2)]).await).await;
    assert_eq!(shop.catalog.confirmed(), 0);
    shop.confirming.confirm_all().await.unwrap();
    assert_eq!(shop.catalog.confirmed(), 1);
    shop.catalog.expire();
    assert_eq!(shop.catalog.stock("mug"), 48);
    shop.catalog.is_down(true);
    shop.confirming.confirm_all().await.unwrap();
}

#[tokio::test]
async fn an_order_confirms_itself_while_the_task_runs() {
    let shop = Shop::open().await;
    let task = tokio::spawn(shop.confirming.clone().run());
    shop.order(Uuid::new_v4(), &shop.basket_with(&[("mug", 2)]).await).await;
    while shop.catalog.confirmed() == 0 {
        tokio::task::yield_now().await;
    }
    task.abort();
}

#[tokio::test]
async fn a_confirmation_that_failed_is_made_up_for_after_a_restart() {
    let shop = Shop::open().await;
    shop.order(Uuid::new_v4(), &shop.basket_with(&[("mug", 2)]).await).await;
    shop.catalog.is_down(true);
    shop.confirming.confirm_all().await.unwrap_err();
    shop.catalog.is_down(false);
    let shop = shop.reopened().await;
    shop.confirming.confirm_all().await.unwrap();
    assert_eq!(shop.catalog.confirmed(), 1);
}

#[tokio::test]
async fn stock_that_went_back_under_an_order_is_taken_again() {
    let shop = Shop::open().await;
    shop.order(Uuid::new_v4(), &shop.basket_with(&[("mug", 2)]).await).await;
    shop.catalog.expire();
    assert_eq!(shop.catalog.stock("mug"), 50);
    shop.confirming.confirm_all().await.unwrap();
    assert_eq!((shop.catalog.stock("mug"), shop.catalog.confirmed()), (48, 1));
}

#[tokio::test]
async fn an_order_whose_stock_is_gone_does_not_hold_up_the_others() {
    let shop = Shop::open().await;
    shop.order(Uuid::new_v4(), &shop.basket_with(&[("tent", 3)]).await).await;
    shop.catalog.expire();
    shop.catalog.set_stock("tent", 2);
    shop.order(Uuid::new_v4(), &shop.basket_with(&[("mug", 1)]).await).await;
    shop.confirming.confirm_all().await.unwrap();
    assert_eq!(shop.catalog.confirmed(), 1);
    shop.catalog.set_stock("tent", 3);
    shop.confirming.confirm_all().await.unwrap();
    assert_eq!((shop.catalog.confirmed(), shop.catalog.stock("tent")), (2, 0));
}

#[tokio::test]
async fn stock_of_an_attempt_that_is_never_repeated_goes_back() {
    let shop = Shop::open().await;
    let basket = shop.basket_with(&[("mug", 2)]).await;
    shop.catalog.loses_answers(true);
    assert_eq!(code(&shop.order(Uuid::new_v4(), &basket).await.1), "catalog_unavailable");
    shop.confirming.confirm_all().await.unwrap();
    shop.catalog.expire();
    assert_eq!(shop.catalog.stock("mug"), 50);
}
